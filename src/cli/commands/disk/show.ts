/** `gpu-dev disk show`: one disk, and what was done with it lately. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { diskArgument } from "../../disks/options.ts";
import { describeDisk } from "../../output/disk.ts";
import type { Output } from "../../output/output.ts";

const OPERATIONS = "10";

export const command = defineCommand({
  arguments: [diskArgument],
  options: {},
  examples: [
    { line: "gpu-dev disk show home", meaning: "Size, holder, snapshots, and how the last operations ended" },
  ],
  async run([word = ""], _options, ctx): Promise<Output> {
    const disk = await findDisk(ctx.api(), word);
    const page = await ctx
      .api()
      .listDiskOperations({ params: { id: disk.id }, query: { limit: OPERATIONS } });
    return {
      json: { ...disk, operations: page.items },
      rows: describeDisk(disk, ctx.clock.now(), page.items),
    };
  },
});
