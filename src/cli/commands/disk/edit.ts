/** `gpu-dev disk edit`: when snapshots are taken. */
import { defineCommand } from "../../command.ts";
import { changeDisk } from "../../disks/change.ts";
import { diskArgument, SNAPSHOT_FORMS, snapshots } from "../../disks/options.ts";
import { UsageError } from "../../errors.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: { snapshots },
  details: "Also while a reservation has it.",
  examples: [
    {
      line: "gpu-dev disk edit home --snapshots every=6h",
      meaning: "After each reservation, and every 6 hours during one",
    },
    { line: "gpu-dev disk edit data --snapshots never", meaning: "No snapshots by themselves any more" },
  ],
  run([word = ""], { snapshots: schedule }, ctx): Promise<Output> {
    if (schedule === undefined) throw new UsageError(`Nothing to change: give --snapshots ${SNAPSHOT_FORMS}`);
    return changeDisk(ctx, word, schedule);
  },
});
