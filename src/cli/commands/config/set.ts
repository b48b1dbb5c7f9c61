/** `gpu-dev config set`: what `reserve` takes when a flag is not given. */
import { defineCommand } from "../../command.ts";
import { changeSetting, configFile, SETTING_NAMES, SETTINGS, settingName } from "../../config/settings.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [
    { name: "setting", summary: "Its name", required: true, completes: SETTING_NAMES },
    { name: "value", summary: "What it is from now on", required: true },
  ],
  examples: [
    {
      line: "gpu-dev config set gpu_type h100",
      meaning: "`gpu-dev reserve` without --gpu-type takes an h100",
    },
    { line: "gpu-dev config set time 4h", meaning: "For 4 hours when --time is not given" },
  ],
  async run([word = "", value = ""], _options, ctx): Promise<Output> {
    const name = settingName(word);
    await changeSetting(ctx, name, value);
    const file = configFile(ctx.home);
    const variable = SETTINGS[name];
    if (ctx.env[variable]) ctx.say(`${variable} is set, and goes before it.`);
    return { json: { name, value, file }, rows: [[name, value]] };
  },
});
