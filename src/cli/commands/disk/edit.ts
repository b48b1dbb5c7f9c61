/** `gpu-dev disk edit`: when snapshots are taken. */
import { defineCommand } from "../../command.ts";
import { changeDisk } from "../../disks/change.ts";
import { diskArgument, policy } from "../../disks/options.ts";
import { UsageError } from "../../errors.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: { snapshots: policy },
  examples: [
    { line: "gpu-dev disk edit data --snapshots never", meaning: "No snapshots by themselves any more" },
  ],
  run([word = ""], { snapshots }, ctx): Promise<Output> {
    if (snapshots === undefined) throw new UsageError("Nothing to change: give --snapshots on-end or never");
    return changeDisk(ctx, word, { snapshot_policy: snapshots });
  },
});
