/** `gpu-dev disk clone`: a second disk with the same on it. */
import { defineCommand } from "../../command.ts";
import { findDisk } from "../../disks/find.ts";
import { finish, WAITING, waiting } from "../../disks/operation.ts";
import { diskArgument, size } from "../../disks/options.ts";
import { showNew } from "../../disks/show-new.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { name as checkName, parsed } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument, { name: "new-name", summary: "The name of the new disk", required: true }],
  options: { size: parsed("--size <SIZE>", "Another size: 100G, 80Gi", size), ...waiting },
  details: `Of a disk that no reservation has. ${WAITING}`,
  examples: [
    { line: "gpu-dev disk clone home home-2", meaning: "For a second reservation at the same time" },
  ],
  async run([word = "", newName = ""], { size: size_bytes, ...given }, ctx): Promise<Output> {
    const name = checkName(newName);
    const disk = await findDisk(ctx.api(), word);
    const begun = await ctx.api().cloneDisk({
      params: { id: disk.id },
      body: { name, ...(size_bytes === undefined ? {} : { size_bytes }) },
      idempotencyKey: idempotencyKey(),
    });
    return showNew(ctx, await finish(ctx, begun, name, given));
  },
});
