/** `gpu-dev disk delete`: it can be undone for 30 days, and so it asks nothing. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { diskArgument } from "../../disks/options.ts";
import { describeDisk } from "../../output/disk.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: {},
  details:
    "Of a disk that no reservation has. Its name is free at once; for 30 days `gpu-dev disk undelete` brings it back with its snapshots, then it is gone.",
  examples: [{ line: "gpu-dev disk delete old-home", meaning: "Out of the way; can be undone for 30 days" }],
  async run([word = ""], _options, ctx): Promise<Output> {
    const { id } = await findDisk(ctx.api(), word);
    const disk = await ctx.api().deleteDisk({ params: { id } });
    ctx.say(
      `Deleted ${disk.name}. \`gpu-dev disk undelete ${disk.id}\` brings it back until ${disk.purge_at}.`,
    );
    return { json: disk, rows: describeDisk(disk, ctx.clock.now()) };
  },
});
