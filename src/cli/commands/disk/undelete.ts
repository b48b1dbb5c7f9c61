/** `gpu-dev disk undelete`: brings a deleted disk back. */
import { defineCommand } from "../../command.ts";
import { changed } from "../../disks/change.ts";
import { findDisk } from "../../disks/find.ts";
import { diskArgument } from "../../disks/options.ts";
import { name, parsed } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [diskArgument],
  options: {
    name: parsed("-n, --name <NAME>", "Under this name, when another disk has the old one by now", name),
  },
  examples: [
    { line: "gpu-dev disk undelete home", meaning: "As it was, with its snapshots" },
    { line: "gpu-dev disk undelete home --name old-home", meaning: "home is another disk by now" },
  ],
  async run([word = ""], { name: newName }, ctx): Promise<Output> {
    const { id } = await findDisk(ctx.api(), word, "deleted");
    const body = newName === undefined ? {} : { name: newName };
    return changed(ctx, await ctx.api().undeleteDisk({ params: { id }, body }));
  },
});
