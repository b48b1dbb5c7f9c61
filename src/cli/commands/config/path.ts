/** `gpu-dev config path`: where config.json is. */
import { defineCommand } from "../../command.ts";
import { configFile } from "../../config/settings.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  details: "It may not be there yet. `gpu-dev config show` names the other files.",
  examples: [{ line: 'cat "$(gpu-dev config path)"', meaning: "What the file says" }],
  async run(_args, _options, ctx): Promise<Output> {
    const file = configFile(ctx.home);
    return { json: { file }, rows: [[file]] };
  },
});
