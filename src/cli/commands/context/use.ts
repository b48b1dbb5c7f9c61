/** `gpu-dev context use`: which server is meant when nothing else is said. */
import { defineCommand } from "../../command.ts";
import { knownContexts } from "../../config/contexts.ts";
import { changeCredentials } from "../../config/credentials.ts";
import { UsageError } from "../../errors.ts";
import type { Output } from "../../output/output.ts";
import { rewriteSshFiles } from "../../ssh/ssh-files.ts";

export const command = defineCommand({
  arguments: [{ name: "context", summary: "The server's name here", required: true, completes: "contexts" }],
  details:
    "For one command, --context does the same; for one shell, GPU_DEV_CONTEXT. ssh knows the reservations of the current server by their names, those of the others as gpu-dev-<id8>.",
  examples: [{ line: "gpu-dev context use lab", meaning: "From now on `gpu-dev list` is about lab" }],
  async run([wanted = ""], _options, ctx): Promise<Output> {
    const known = knownContexts(ctx).filter(({ context }) => context !== "environment");
    const found = known.find(({ context }) => context === wanted);
    if (!found)
      throw new UsageError(
        `There is no server called ${JSON.stringify(wanted)}`,
        known.length === 0
          ? "`gpu-dev login URL` adds one."
          : `There are: ${known.map((k) => k.context).join(", ")}.`,
      );
    await changeCredentials(ctx.home, ({ contexts }) => ({ current: wanted, contexts }));
    await rewriteSshFiles(ctx);
    const variable = ["GPU_DEV_URL", "GPU_DEV_CONTEXT"].find((name) => ctx.env[name]);
    if (variable !== undefined) ctx.say(`${variable} is set, and goes before it.`);
    ctx.say(`${wanted} is the current server: ${found.url}`);
    return { json: { context: wanted, url: found.url }, rows: [] };
  },
});
