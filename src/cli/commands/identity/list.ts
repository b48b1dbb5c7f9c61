/** `gpu-dev identity list`: the logins at providers that lead to the caller. */
import { defineCommand } from "../../command.ts";
import { identityTable } from "../../output/identity.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  options: {},
  details: "Whoever logs in so at the provider is you here. One that you do not know is unlinked at once.",
  examples: [{ line: "gpu-dev identity list", meaning: "By which logins you get in, and since when" }],
  async run(_args, _options, ctx): Promise<Output> {
    const page = await ctx.api().listIdentities({});
    return {
      json: page,
      ...identityTable(page.items, ctx.clock.now()),
      empty: "No login at a provider leads to you. `gpu-dev identity link` links one.",
    };
  },
});
