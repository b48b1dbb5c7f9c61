/** `gpu-dev disk snapshots`: what a disk can be brought back to. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { diskArgument } from "../../disks/options.ts";
import { snapshotTable } from "../../output/disk.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: {},
  details:
    "Newest first. The newest three stay, and all that are younger than seven days. HOW says of one that was taken while the disk was in use how many files kept changing meanwhile: these may be cut.",
  examples: [
    { line: "gpu-dev disk snapshots home", meaning: "When they were taken, and after which reservation" },
  ],
  async run([word = ""], _options, ctx): Promise<Output> {
    const disk = await findDisk(ctx.api(), word);
    const page = await ctx.api().listSnapshots({ params: { id: disk.id }, query: { limit: "500" } });
    return {
      json: page,
      ...snapshotTable(page.items, ctx.clock.now()),
      empty: `No snapshot yet. \`gpu-dev disk snapshot ${disk.name}\` takes one.`,
    };
  },
});
