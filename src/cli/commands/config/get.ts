/** `gpu-dev config get`: one setting. */
import { defineCommand } from "../../command.ts";
import { SETTING_NAMES, setting, settingName } from "../../config/settings.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "setting", summary: "Its name", required: true, completes: SETTING_NAMES }],
  examples: [
    {
      line: "gpu-dev config get time",
      meaning: "How long `reserve` reserves without --time; empty when not set",
    },
  ],
  async run([word = ""], _options, ctx): Promise<Output> {
    const name = settingName(word);
    const found = await setting(ctx, name);
    return {
      json: { name, value: found?.value ?? null, origin: found?.origin ?? "not set" },
      rows: found ? [[found.value]] : [],
      empty: `${name} is not set; \`gpu-dev config set ${name} VALUE\` sets it.`,
    };
  },
});
