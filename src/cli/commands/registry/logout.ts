/** `gpu-dev registry logout`: has the server forget a login for an image registry. */
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "host", summary: "The registry", required: true }],
  details: "Pods that run go on. Take the token back at the registry as well, if others may know it.",
  examples: [
    {
      line: "gpu-dev registry logout ghcr.io",
      meaning: "The server has no password of yours for it any more",
    },
  ],
  async run([host = ""], _options, ctx): Promise<Output> {
    const gone = await ctx.api().removeRegistry({ params: { host } });
    ctx.say(`The login for ${gone.host} is forgotten`);
    return { json: gone, rows: [] };
  },
});
