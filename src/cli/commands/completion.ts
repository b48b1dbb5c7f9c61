/** `gpu-dev completion`: prints the script that the shell reads. */
import { readFile } from "node:fs/promises";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import type { Output } from "../output/output.ts";

/** The generated files, in completions/ of the package. */
const FILES: Readonly<Record<string, string>> = {
  bash: "gpu-dev.bash",
  zsh: "_gpu-dev",
  fish: "gpu-dev.fish",
};

const DIRECTORY = import.meta.url.includes("/src/cli/") ? "../../../completions/" : "../completions/";

export const command = defineCommand({
  arguments: [{ name: "shell", summary: "bash, zsh or fish", required: true, completes: Object.keys(FILES) }],
  options: {},
  examples: [
    { line: 'eval "$(gpu-dev completion bash)"', meaning: "In ~/.bashrc" },
    { line: "source <(gpu-dev completion zsh)", meaning: "In ~/.zshrc, after compinit" },
    { line: "gpu-dev completion fish > ~/.config/fish/completions/gpu-dev.fish", meaning: "Once, for fish" },
  ],
  async run([shell = ""], _options, ctx): Promise<Output | undefined> {
    const name = FILES[shell];
    if (name === undefined)
      throw new UsageError(
        `${JSON.stringify(shell)} has no completions`,
        `There are: ${Object.keys(FILES).join(", ")}.`,
      );
    const script = await readFile(new URL(DIRECTORY + name, import.meta.url), "utf8");
    if (ctx.global.json) return { json: { shell, script }, rows: [] };
    ctx.io.stdout.write(script);
    return undefined;
  },
});
