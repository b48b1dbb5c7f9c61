/** `gpu-dev ssh-config install`: one Include line in ~/.ssh/config, after consent. */
import { defineCommand } from "../../command.ts";
import { agreeToLine } from "../../consent.ts";
import { addLine } from "../../foreign-file.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { refreshSshFiles, sshConfigFile } from "../../ssh-files.ts";
import { includeLine, userSshConfig } from "../../ssh-include.ts";

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
    await agreeToLine(ctx, given.yes, file, line);
    const added = await addLine(file, line, "first");
    await refreshSshFiles(ctx);
    ctx.say(added ? `Added to ${file}` : `${file} has it already`);
    return { json: { file, line, added }, rows: [[line]] };
  },
});
