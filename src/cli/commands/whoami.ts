/** `gpu-dev whoami`: who the token belongs to. */
import { defineCommand } from "../command.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: {},
  examples: [{ line: "gpu-dev whoami", meaning: "Your name and role, and which server says so" }],
  async run(_args, _options, ctx): Promise<Output> {
    const me = await ctx.api().getMe({});
    const { url, context } = ctx.endpoint();
    return {
      json: { ...me, url, context },
      rows: [
        ["name", me.name],
        ["role", me.role],
        ["server", url],
        ["context", context],
      ],
    };
  },
});
