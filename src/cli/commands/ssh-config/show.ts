/** `gpu-dev ssh-config show`: the configuration that our Include line brings in. */
import { readFile } from "node:fs/promises";
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";
import { refreshSshFiles, sshConfigFile } from "../../ssh/ssh-files.ts";

export const command = defineCommand({
  options: {},
  examples: [{ line: "gpu-dev ssh-config show", meaning: "What ssh reads, brought up to date first" }],
  async run(_args, _options, ctx): Promise<Output | undefined> {
    await refreshSshFiles(ctx);
    const file = sshConfigFile(ctx.home.stateDir);
    const text = await readFile(file, "utf8");
    if (ctx.global.json) return { json: { file, text }, rows: [] };
    ctx.io.stdout.write(text);
    return undefined;
  },
});
