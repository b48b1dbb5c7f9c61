/** `gpu-dev context list`: the servers that this command line knows. */
import { defineCommand } from "../../command.ts";
import { knownContexts } from "../../config/contexts.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  details:
    "`gpu-dev login` adds a server, `logout` removes it. `local` is the server of this machine, `environment` what GPU_DEV_URL says.",
  examples: [{ line: "gpu-dev context list", meaning: "Your servers; the current one is marked" }],
  async run(_args, _options, ctx): Promise<Output> {
    const items = knownContexts(ctx);
    return {
      json: { items },
      header: ["CONTEXT", "URL", "CURRENT"],
      rows: items.map(({ context, url, current }) => [context, url, current ? "current" : ""]),
      empty: "No servers are known. `gpu-dev login URL` adds one; `gpu-dev server` starts one here.",
    };
  },
});
