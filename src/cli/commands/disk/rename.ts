/** `gpu-dev disk rename`: another name. */
import { defineCommand } from "../../command.ts";
import { changeDisk } from "../../disks/change.ts";
import { diskArgument } from "../../disks/options.ts";
import { name } from "../../options.ts";

export const command = defineCommand({
  arguments: [diskArgument, { name: "new-name", summary: "Its new name", required: true }],
  options: {},
  details: "Also while a reservation has it.",
  examples: [{ line: "gpu-dev disk rename home old-home", meaning: "home is free for another disk" }],
  run: ([word = "", newName = ""], _options, ctx) => changeDisk(ctx, word, { name: name(newName) }),
});
