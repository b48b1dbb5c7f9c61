/** `gpu-dev config show`: each setting and where it comes from. */
import { defineCommand } from "../../command.ts";
import { originsOf } from "../../config/origins.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  options: { origin: flag("--origin", "All places that set each, also those that count for nothing") },
  details:
    "A flag beats the environment, which beats a file, which beats the default. Tokens are never shown whole.",
  examples: [
    { line: "gpu-dev config show", meaning: "Which server, which token, which files, and why" },
    { line: "gpu-dev config show --origin", meaning: "What overrides what" },
  ],
  async run(_args, { origin: all }, ctx): Promise<Output> {
    const items = (await originsOf(ctx)).filter(({ used }) => all || used);
    return {
      json: { settings: items },
      header: ["SETTING", "VALUE", "FROM", ...(all ? ["USED"] : [])],
      rows: items.map(({ name, value, origin, used }) => [
        name,
        value ?? "",
        origin,
        ...(all ? [used ? "yes" : "overridden"] : []),
      ]),
    };
  },
});
