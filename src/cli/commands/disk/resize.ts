/** `gpu-dev disk resize`: another size. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { finish, WAITING, waiting } from "../../disks/operation.ts";
import { diskArgument, size } from "../../disks/options.ts";
import { showNew } from "../../disks/show-new.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument, { name: "size", summary: "How much shall fit: 200G, 80Gi", required: true }],
  options: waiting,
  details: `Of a disk that no reservation has, and to no less than what is used. ${WAITING}`,
  examples: [{ line: "gpu-dev disk resize home 200G", meaning: "Room for more" }],
  async run([word = "", given = ""], wait, ctx): Promise<Output> {
    const size_bytes = size(given);
    const disk = await findDisk(ctx.api(), word);
    const begun = await ctx.api().resizeDisk({
      params: { id: disk.id },
      body: { size_bytes },
      idempotencyKey: idempotencyKey(),
    });
    return showNew(ctx, await finish(ctx, begun, disk.name, wait));
  },
});
