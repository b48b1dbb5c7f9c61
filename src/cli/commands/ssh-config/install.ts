/** `gpu-dev ssh-config install`: one Include line in ~/.ssh/config, after consent. */
import { defineCommand } from "../../command.ts";
import { Declined, UsageError } from "../../errors.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { refreshSshFiles, sshConfigFile } from "../../ssh-files.ts";
import { addLine, includeLine, userSshConfig } from "../../ssh-include.ts";

export const command = defineCommand({
  options: { yes: flag("-y, --yes", "Do not ask") },
  details: "`gpu-dev ssh-config remove` takes the line out again.",
  examples: [
    {
      line: "gpu-dev ssh-config install --yes",
      meaning: "After it: ssh, scp, rsync and editors know gpu-dev-<id>",
    },
  ],
  async run(_args, given, ctx): Promise<Output> {
    const file = userSshConfig(ctx.homedir);
    const line = includeLine(ctx.homedir, sshConfigFile(ctx.home.stateDir));
    if (!given.yes) {
      if (!ctx.interactive)
        throw new UsageError("--yes is missing", `It agrees to one line in ${file}: ${line}`);
      if (!(await ctx.prompts.confirm(`Add one line to ${file}: ${line}?`))) throw new Declined();
    }
    const added = await addLine(file, line);
    await refreshSshFiles(ctx);
    ctx.say(added ? `Added to ${file}` : `${file} has it already`);
    return { json: { file, line, added }, rows: [[line]] };
  },
});
