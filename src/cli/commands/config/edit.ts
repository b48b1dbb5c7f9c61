/** `gpu-dev config edit`: opens config.json in the user's editor, and checks it afterwards. */
import { existsSync } from "node:fs";
import { EXIT } from "../../../api/errors.ts";
import { writeOwnFile } from "../../../tunnel/own-file.ts";
import { defineCommand } from "../../command.ts";
import { configFile, SETTING_NAMES, setting } from "../../config/settings.ts";
import type { Context } from "../../context.ts";
import { CliError, UsageError } from "../../errors.ts";
import type { Output } from "../../output/output.ts";
import { usualEditor } from "../../platforms.ts";

export const command = defineCommand({
  details: "The editor is $VISUAL or $EDITOR, else vi (notepad on Windows). `gpu-dev config set` needs none.",
  examples: [{ line: "EDITOR=nano gpu-dev config edit", meaning: "Opens config.json" }],
  async run(_args, _options, ctx): Promise<Output> {
    if (!ctx.io.stdin.isTTY)
      throw new UsageError("config edit needs a terminal", "`gpu-dev config set NAME VALUE` needs none.");
    const file = configFile(ctx.home);
    if (!existsSync(file)) writeOwnFile(file, "{}\n");
    await openEditor(ctx, file);
    // Reading it finds what is wrong.
    for (const name of SETTING_NAMES) await setting(ctx, name);
    return { json: { file }, rows: [[file]] };
  },
});

/** The variable may have options, as in "code --wait". */
async function openEditor(ctx: Context, file: string): Promise<void> {
  const editor = ctx.env.VISUAL || ctx.env.EDITOR || usualEditor(process.platform);
  const [program = "", ...args] = editor.split(/\s+/);
  const failed = (why: string, cause?: unknown): CliError =>
    new CliError("editor_failed", EXIT.error, `The editor ${JSON.stringify(editor)} ${why}`, {
      hint: `Set VISUAL or EDITOR to another, or edit ${file} yourself.`,
      cause,
    });
  const { code } = await ctx.runProgram(program, [...args, file], "inherit").catch((cause: unknown) => {
    throw failed("cannot be started", cause);
  });
  if (code !== 0) throw failed(`ended with ${code}`);
}
