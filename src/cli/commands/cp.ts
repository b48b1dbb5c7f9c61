/** `gpu-dev cp`: copies files to and from pods, by the real scp. */
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { flag } from "../options.ts";
import type { Output } from "../output/output.ts";
import { explainFailure, runOpenSsh } from "../ssh/openssh.ts";
import { type Place, readPlace, scpPath } from "../ssh/places.ts";
import { reach, type Target } from "../ssh/reach.ts";

export const command = defineCommand({
  arguments: [
    {
      name: "paths",
      summary:
        "What is copied, and last where to; NAME:PATH is in a reservation, from its home unless it starts with /",
      required: true,
      variadic: true,
      completes: "files",
    },
  ],
  options: { recursive: flag("-r, --recursive", "Whole directories") },
  details: "The exit code is scp's. Both sides may be in reservations: then it goes through this machine.",
  examples: [
    { line: "gpu-dev cp train.py data.json train:", meaning: "Two files into the home of train" },
    { line: "gpu-dev cp -r train:results ./results", meaning: "A directory back" },
  ],
  async run(words, { recursive }, ctx): Promise<number | Output> {
    const places = words.map((word) => readPlace(word, process.platform));
    if (places.length < 2) throw new UsageError("Where to is missing", "gpu-dev cp SOURCE… TARGET");
    const names = new Set(places.flatMap(({ host }) => host ?? []));
    if (names.size === 0)
      throw new UsageError("Neither is in a reservation", "Write NAME:PATH, such as train:results.");
    const targets = new Map<string, Target>();
    for (const name of names) targets.set(name, await reach(ctx, name));
    const args = places.map((place) => scpWord(place, targets, process.platform));
    const flags = [...(recursive ? ["-r"] : []), ...(names.size > 1 ? ["-3"] : [])];
    const stdio = ctx.global.json ? "capture" : "inherit";
    const { code, stderr } = await runOpenSsh(ctx, "scp", [...flags, "--", ...args], stdio);
    if (code !== 0) await explainEnd(ctx, [...targets.values()]);
    return ctx.global.json ? { json: { exit_code: code, stderr }, rows: [], exit: code } : code;
  },
});

function scpWord(
  { host, path }: Place,
  targets: ReadonlyMap<string, Target>,
  platform: NodeJS.Platform,
): string {
  const target = host === undefined ? undefined : targets.get(host);
  return target ? `${target.alias}:${path}` : scpPath(path, platform);
}

/** scp says 1 or 255 for a lost connection, and 1 for a file that is not there: the reservations tell which. */
async function explainEnd(ctx: Context, targets: readonly Target[]): Promise<void> {
  for (const target of targets) {
    const { state } = await ctx.api().getReservation({ params: { id: target.id } });
    if (state !== "active") await explainFailure(ctx, target);
  }
}
