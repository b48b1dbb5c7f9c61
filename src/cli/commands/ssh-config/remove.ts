/** `gpu-dev ssh-config remove`: takes our line out of ~/.ssh/config. */
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";
import { hasLine, removeLine } from "../../ssh/foreign-file.ts";
import { sshConfigFile } from "../../ssh/ssh-files.ts";
import { includedBy, includeLine, includeOptions } from "../../ssh/ssh-include.ts";

export const command = defineCommand({
  options: includeOptions,
  examples: [{ line: "gpu-dev ssh-config remove", meaning: "~/.ssh/config is as it was before" }],
  async run(_args, { file: given, dryRun }, ctx): Promise<Output> {
    const file = includedBy(ctx, given);
    const line = includeLine(ctx.homedir, sshConfigFile(ctx.home.stateDir));
    const removed = dryRun ? hasLine(file, line) : removeLine(file, line);
    if (dryRun && removed) ctx.say(`Would be taken out of ${file}`);
    return {
      json: { file, line, removed },
      rows: removed ? [[line]] : [],
      empty: `${file} has no line of ours`,
    };
  },
});
