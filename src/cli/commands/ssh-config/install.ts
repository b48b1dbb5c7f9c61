/** `gpu-dev ssh-config install`: one Include line in ~/.ssh/config, after consent. */
import { defineCommand } from "../../command.ts";
import { agreeToLine } from "../../consent.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { addLine, hasLine } from "../../ssh/foreign-file.ts";
import { refreshSshFiles, sshConfigFile } from "../../ssh/ssh-files.ts";
import { includedBy, includeLine, includeOptions } from "../../ssh/ssh-include.ts";

export const command = defineCommand({
  options: { ...includeOptions, yes: flag("-y, --yes", "Do not ask") },
  details:
    "`gpu-dev ssh-config remove` takes the line out again. Everything else in the file stays as it is.",
  examples: [
    {
      line: "gpu-dev ssh-config install --yes",
      meaning: "After it: ssh, scp, rsync and editors know gpu-dev-<id>",
    },
    {
      line: "gpu-dev ssh-config install --file ~/.ssh/vscode",
      meaning: "For an editor that is set to read another file",
    },
  ],
  async run(_args, { file: given, dryRun, yes }, ctx): Promise<Output> {
    const file = includedBy(ctx, given);
    const line = includeLine(ctx.homedir, sshConfigFile(ctx.home.stateDir));
    if (dryRun) {
      const added = !hasLine(file, line);
      ctx.say(added ? `Would be added as the first line of ${file}` : `${file} has it already`);
      return { json: { file, line, added }, rows: [[line]] };
    }
    await agreeToLine(ctx, yes, file, line);
    const added = addLine(file, line, "first");
    await refreshSshFiles(ctx);
    ctx.say(added ? `Added to ${file}` : `${file} has it already`);
    return { json: { file, line, added }, rows: [[line]] };
  },
});
