/** An editor on the user's machine that works in a pod, by its Remote SSH extension. */
import { EXIT } from "../../api/errors.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { scriptCall } from "../platforms.ts";
import { explainFailure, runOpenSsh } from "./openssh.ts";
import type { Target } from "./reach.ts";
import { isIncluded, userSshConfig } from "./ssh-include.ts";

const EDITORS = { code: "VS Code", cursor: "Cursor" } as const;

/** Opens the editor on the pod's home; answers its exit code, or 255 when the pod cannot be reached. Throws CliError. */
export async function openEditor(
  ctx: Context,
  program: keyof typeof EDITORS,
  target: Target,
): Promise<number> {
  checkIncluded(ctx);
  const { code, stdout, stderr } = await runOpenSsh(ctx, "ssh", [target.alias, "--", "pwd"], "capture");
  if (code !== 0) {
    ctx.say(stderr.trim());
    await explainFailure(ctx, target);
    return code;
  }
  const folder = `vscode-remote://ssh-remote+${target.alias}${encodeURI(stdout.trim())}`;
  const call = scriptCall(program, ["--folder-uri", folder], process.platform);
  const opened = await ctx.runProgram(...call, "talk").catch((cause: unknown) => {
    throw new CliError(
      "no_editor",
      EXIT.error,
      `${EDITORS[program]} cannot be started: there is no program called ${program}`,
      {
        hint: `In ${EDITORS[program]}, run "Shell Command: Install '${program}' command in PATH".`,
        cause,
      },
    );
  });
  return opened.code;
}

/** Editors read the user's own ssh configuration. */
function checkIncluded(ctx: Context): void {
  if (isIncluded(ctx)) return;
  throw new CliError(
    "not_included",
    EXIT.conflict,
    `Editors do not know your reservations yet: ${userSshConfig(ctx.homedir)} does not include our file`,
    {
      hint: "`gpu-dev ssh-config install` adds the one line.",
    },
  );
}
