/** `gpu-dev completion`: the script that the shell reads, printed or made known to the shell. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../command.ts";
import { agreeToLine } from "../consent.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { flag } from "../options.ts";
import type { Output } from "../output/output.ts";
import { shellWord } from "../shell-word.ts";
import { addLine, removeLine } from "../ssh/foreign-file.ts";

interface Shell {
  /** The generated file, in completions/ of the package. */
  readonly script: string;
  /** What the shell reads when it starts, or when it completes. */
  readonly reads: (ctx: Context) => string;
  /** The line there: one that says nothing when the package is gone. */
  readonly line: (script: string) => string;
}

const posix = (script: string): string => `[ -f ${shellWord(script)} ] && . ${shellWord(script)}`;

const SHELLS: Readonly<Record<string, Shell>> = {
  bash: { script: "gpu-dev.bash", reads: ({ homedir }) => join(homedir, ".bashrc"), line: posix },
  zsh: {
    script: "_gpu-dev",
    reads: ({ env, homedir }) => join(env.ZDOTDIR || homedir, ".zshrc"),
    line: posix,
  },
  fish: {
    script: "gpu-dev.fish",
    reads: ({ env, homedir }) =>
      join(env.XDG_CONFIG_HOME || join(homedir, ".config"), "fish", "completions", "gpu-dev.fish"),
    line: (script) => `test -f ${shellWord(script)}; and source ${shellWord(script)}`,
  },
};

const DIRECTORY = import.meta.url.includes("/src/cli/") ? "../../../completions/" : "../completions/";

export const command = defineCommand({
  arguments: [
    { name: "shell", summary: "bash, zsh or fish", required: true, completes: Object.keys(SHELLS) },
  ],
  options: {
    install: flag("--install", "Let the shell read it: one line in its start file, after asking you"),
    uninstall: flag("--uninstall", "Take that line out again"),
    yes: flag("-y, --yes", "Do not ask"),
  },
  details:
    "Names of reservations, GPU types and servers come from a local cache that other commands keep; completing never asks a server.",
  examples: [
    { line: "gpu-dev completion bash --install", meaning: "For every new shell; zsh and fish as well" },
    { line: 'eval "$(gpu-dev completion bash)"', meaning: "For this shell" },
  ],
  async run([name = ""], { install, uninstall, yes }, ctx): Promise<Output | undefined> {
    const shell = SHELLS[name];
    if (shell === undefined)
      throw new UsageError(
        `${JSON.stringify(name)} has no completions`,
        `There are: ${Object.keys(SHELLS).join(", ")}.`,
      );
    const file = fileURLToPath(new URL(DIRECTORY + shell.script, import.meta.url));
    if (install && uninstall) throw new UsageError("--install and --uninstall cannot both be done");
    if (install || uninstall) return await change(ctx, shell.reads(ctx), shell.line(file), { install, yes });
    const script = await readFile(file, "utf8");
    if (ctx.global.json) return { json: { shell: name, script }, rows: [] };
    ctx.io.stdout.write(script);
    return undefined;
  },
});

async function change(
  ctx: Context,
  file: string,
  line: string,
  { install, yes }: { install: boolean; yes: boolean },
): Promise<Output> {
  if (install) await agreeToLine(ctx, yes, file, line);
  // Last: a zsh knows its completions only once its own set-up is done.
  const changed = install ? addLine(file, line, "last") : removeLine(file, line);
  const [done, nothing] = install ? ["Added to", "has it already"] : ["Taken out of", "has no line of ours"];
  ctx.say(changed ? `${done} ${file}; a new shell reads it` : `${file} ${nothing}`);
  return { json: { file, line, changed }, rows: [] };
}
