/** `gpu-dev ssh-config remove`: takes our line out of ~/.ssh/config. */
import { defineCommand } from "../../command.ts";
import { removeLine } from "../../foreign-file.ts";
import type { Output } from "../../output/output.ts";
import { sshConfigFile } from "../../ssh-files.ts";
import { includeLine, userSshConfig } from "../../ssh-include.ts";

export const command = defineCommand({
  options: {},
  examples: [{ line: "gpu-dev ssh-config remove", meaning: "~/.ssh/config is as it was before" }],
  async run(_args, _options, ctx): Promise<Output> {
    const file = userSshConfig(ctx.homedir);
    const line = includeLine(ctx.homedir, sshConfigFile(ctx.home.stateDir));
    const removed = await removeLine(file, line);
    return {
      json: { file, line, removed },
      rows: removed ? [[line]] : [],
      empty: `${file} has no line of ours`,
    };
  },
});
