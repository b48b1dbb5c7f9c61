/** `gpu-dev config unset`: takes a setting out of config.json. */
import { defineCommand } from "../../command.ts";
import { changeSetting, configFile, SETTING_NAMES, settingName } from "../../config/settings.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "setting", summary: "Its name", required: true, completes: SETTING_NAMES }],
  examples: [{ line: "gpu-dev config unset time", meaning: "`gpu-dev reserve` needs --time again" }],
  async run([word = ""], _options, ctx): Promise<Output> {
    const name = settingName(word);
    await changeSetting(ctx, name, undefined);
    const file = configFile(ctx.home);
    ctx.say(`${name} is not set in ${file} any more`);
    return { json: { name, file }, rows: [] };
  },
});
