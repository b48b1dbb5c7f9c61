/** `gpu-dev disk list`: the caller's disks. */
import { defineCommand } from "../../command.ts";
import { rememberNames } from "../../completion/cache.ts";
import { UsageError } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { flag } from "../../options.ts";
import { diskTable } from "../../output/disk.ts";
import type { Output } from "../../output/output.ts";

const options = {
  deleted: flag("--deleted", "Only those that are deleted and can be brought back"),
  all: flag("-a, --all", "Those that are deleted, too"),
};

export const command = defineCommand({
  options,
  details: "What is used is as of the last snapshot, or of the end of the last reservation with the disk.",
  examples: [
    { line: "gpu-dev disk list", meaning: "Your disks, who has them, and what can be gone back to" },
    { line: "gpu-dev disk list --deleted", meaning: "What can still be undeleted" },
  ],
  async run(_args, { deleted, all }, ctx): Promise<Output> {
    if (deleted && all)
      throw new UsageError("--deleted and --all exclude each other", "Leave one of them out.");
    const state = deleted ? "deleted" : all ? "all" : "live";
    const page = await allPages((query) => ctx.api().listDisks({ query: { ...query, state } }));
    if (state === "live") rememberNames(ctx, { disks: page.items.map((disk) => disk.name) });
    return {
      json: page,
      ...diskTable(page.items, ctx.clock.now()),
      empty: deleted
        ? "No deleted disks."
        : "No disks. `gpu-dev disk create NAME` makes one, which `gpu-dev reserve --disk NAME` has as its home.",
    };
  },
});
