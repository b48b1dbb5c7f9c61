/** `gpu-dev disk unlock`: takes a disk from a reservation whose end hangs. */
import { isId } from "../../../api/names.ts";
import { defineCommand } from "../../command.ts";
import { changed } from "../../disks/change.ts";
import { UsageError } from "../../errors.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "id", summary: "The disk's full id: it may be anybody's", required: true }],
  options: {},
  details:
    "For administrators, when the end of the reservation that has it does not come. It is in the audit trail.",
  examples: [
    { line: "gpu-dev disk unlock dq3m7kz2xw5n4v6b2c5h", meaning: "Its owner can reserve with it again" },
  ],
  async run([id = ""], _options, ctx): Promise<Output> {
    if (!isId(id))
      throw new UsageError(
        `${JSON.stringify(id)} is no id`,
        "An id has 20 characters; the disk's owner finds it in `gpu-dev disk show`.",
      );
    return changed(ctx, await ctx.api().unlockDisk({ params: { id } }));
  },
});
