/** `gpu-dev forward`: ports of the pod on this machine, until Ctrl-C or the end of the reservation, or in the background. */
import { isIP } from "node:net";
import { reservationArgument } from "../argument.ts";
import { defineCommand, type Values } from "../command.ts";
import { UsageError } from "../errors.ts";
import { findReservation, wordOrAsked } from "../find.ts";
import { count, flag, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { listForwards, startInBackground, stopForwards } from "../ssh/forward-background.ts";
import type { PortPair } from "../ssh/forward-ports.ts";
import { runForward } from "../ssh/forward-run.ts";
import { checkNode } from "../ssh/reach.ts";
import { whenActive } from "../watching/ready.ts";

const LOOPBACK = "127.0.0.1";

const options = {
  address: parsed("--address <ADDRESS>", `Listen on this address instead of ${LOOPBACK}`, readAddress),
  node: parsed("--node <N>", "Which of several nodes, from 0 (default: 0)", count),
  background: flag(
    "-b, --background",
    "Go on without this terminal, until --stop or the end of the reservation",
  ),
  list: flag("--list", "Show what is forwarded in the background"),
  stop: flag("--stop", "End what is forwarded in the background: of a local PORT, or of a reservation"),
  all: flag("--all", "With --stop: all of it"),
};

export const command = defineCommand({
  arguments: [
    reservationArgument(", before one port"),
    {
      name: "ports",
      summary:
        "[LOCAL:]PORT: a port of the pod, and the local one if it is another; `:PORT` takes a free one",
      variadic: true,
    },
  ],
  options,
  details:
    "Runs until Ctrl-C, or until the reservation ends (exit 9); with --background a process of its own does, which this command leaves behind once the ports can be used. A local port that is taken is an error, and nothing is forwarded then. Each connection is a tunnel of its own, which survives a broken network like ssh's; at most 80 at once. With --json the addresses are one document, printed once they can be used.",
  examples: [
    { line: "gpu-dev forward train 8888", meaning: "http://127.0.0.1:8888 is port 8888 of the pod" },
    {
      line: "gpu-dev forward train 9000:80 :6006",
      meaning: "Two ports; the second one on a free local port",
    },
    { line: "gpu-dev forward train 8888 -b", meaning: "The same, and the terminal is free again" },
    { line: "gpu-dev forward --list", meaning: "What is forwarded in the background" },
    { line: "gpu-dev forward --stop 8888", meaning: "Ends it; `--stop train` and `--stop --all` end more" },
  ],
  async run(words, given, ctx): Promise<Output | number> {
    checkTogether(words, given);
    if (given.list) return await listForwards(ctx);
    if (given.stop) return await stopForwards(ctx, words[0], given.all);
    const { word, pairs } = understand(words);
    const reservation = await whenActive(ctx, await findReservation(ctx.api(), await wordOrAsked(ctx, word)));
    const { address = LOOPBACK, node = 0 } = given;
    checkNode(reservation, node);
    if (address !== LOOPBACK && address !== "::1")
      ctx.say(`Whoever reaches ${address} of this machine can use these ports.`);
    const wish = { address, node, pairs };
    return given.background
      ? await startInBackground(ctx, reservation, wish)
      : await runForward(ctx, reservation, wish);
  },
});

/** Throws UsageError for what cannot be meant together. */
function checkTogether(words: readonly string[], given: Values<typeof options>): void {
  const { background, list, stop, all } = given;
  const [one, other] = [background && "--background", list && "--list", stop && "--stop"].filter(Boolean);
  if (other) throw new UsageError(`${one} and ${other} cannot be meant together`);
  if (all && !stop) throw new UsageError("--all needs --stop");
  const most = list || all ? 0 : stop ? 1 : Number.POSITIVE_INFINITY;
  if (words.length > most)
    throw new UsageError(`${all ? "--all" : one} takes ${most === 0 ? "no" : "one"} word beside it`);
}

/** A word alone that is a port, or one with a colon, names no reservation. */
function understand(words: readonly string[]): { word: string | undefined; pairs: readonly PortPair[] } {
  const [first = "", ...rest] = words;
  const isUnnamed = first.includes(":") || (rest.length === 0 && /^\d+$/.test(first));
  const [word, specs] = isUnnamed ? [undefined, words] : [words[0], rest];
  if (specs.length > 0) return { word, pairs: specs.map(readPair) };
  throw new UsageError("Missing required argument 'ports'", "Such as: gpu-dev forward hello 8888");
}

function readPair(spec: string): PortPair {
  const [, local, remote = ""] = /^(?:(\d*):)?(\d+)$/.exec(spec) ?? [];
  const pair = { local: Number(local === undefined ? remote : local), remote: Number(remote) };
  if (remote === "" || pair.remote < 1 || pair.remote > 65_535 || pair.local > 65_535)
    throw new UsageError(
      `${JSON.stringify(spec)} is not a port`,
      "Write PORT, LOCAL:PORT or :PORT, with numbers from 1 to 65535.",
    );
  return pair;
}

function readAddress(given: string): string {
  if (given === "localhost") return LOOPBACK;
  if (isIP(given) > 0) return given;
  throw new UsageError(`${JSON.stringify(given)} is not an address`, "Such as 127.0.0.1, 0.0.0.0 or ::1.");
}
