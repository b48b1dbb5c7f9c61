/** `gpu-dev disk snapshot`: keeps what is on a disk now. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { describeOperation, finish, WAITING, waiting } from "../../disks/operation.ts";
import { diskArgument } from "../../disks/options.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { text } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: { note: text("--note <TEXT>", "A line to know it by"), ...waiting },
  details: `Also while a reservation runs with it: then of one instant where the server's file system can do that, else file by file, and files that are being written may be cut. ${WAITING}`,
  examples: [
    { line: 'gpu-dev disk snapshot home --note "before the upgrade"', meaning: "Something to go back to" },
  ],
  async run([word = ""], { note, ...given }, ctx): Promise<Output> {
    const disk = await findDisk(ctx.api(), word);
    const begun = await ctx.api().createSnapshot({
      params: { id: disk.id },
      body: note === undefined ? {} : { note },
      idempotencyKey: idempotencyKey(),
    });
    return describeOperation(await finish(ctx, begun, disk.name, given));
  },
});
