/** `gpu-dev disk wait`: until what goes on with a disk is done. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { finish, waiting } from "../../disks/operation.ts";
import { diskArgument } from "../../disks/options.ts";
import { describeDisk } from "../../output/disk.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: { timeout: waiting.timeout },
  details: "At once when nothing goes on. A reservation that has the disk is not waited for.",
  examples: [
    {
      line: "gpu-dev disk wait home",
      meaning: "Until its snapshot is taken, with a bar that shows how far it is",
    },
  ],
  async run([word = ""], { timeout }, ctx): Promise<Output> {
    const found = await findDisk(ctx.api(), word);
    if (found.operation_id !== null) {
      const begun = await ctx.api().getDiskOperation({ params: { id: found.operation_id } });
      await finish(ctx, begun, found.name, { noWait: false, timeout });
    }
    const disk = await ctx.api().getDisk({ params: { id: found.id } });
    return { json: disk, rows: describeDisk(disk, ctx.clock.now()) };
  },
});
