/** `gpu-dev status`: the server's health and version, and its GPUs. */
import { RefusedRequest } from "../../api/client.ts";
import { EXIT } from "../../api/errors.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { availabilityTable } from "../output/availability.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: {},
  details: "Exits with 75 when the server is not ready.",
  examples: [{ line: "gpu-dev status", meaning: "Which server, how it is, and what its GPUs do" }],
  async run(_args, _options, ctx): Promise<Output> {
    const health = await readiness(ctx);
    const [deployment, { items }] = await Promise.all([
      ctx.api().getDeployment({}),
      ctx.api().listAvailability({}),
    ]);
    const { url, origin } = ctx.endpoint();
    ctx.say(`Server ${deployment.version} at ${url} (set by ${origin}): ${health.words}`);
    return {
      json: { url, health: health.json, deployment, availability: items },
      ...availabilityTable(items, ctx.clock.now()),
      empty: "The server has no GPUs at the moment.",
      exit: health.ready ? EXIT.ok : EXIT.tryLater,
    };
  },
});

/** Not ready is an answer here, with the failing part in words; anything else stays an error. */
async function readiness(ctx: Context): Promise<{ ready: boolean; words: string; json: unknown }> {
  try {
    const health = await ctx.api().getReady({});
    return { ready: health.status === "ok", words: health.status, json: health };
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error;
    return { ready: false, words: error.problem.detail, json: error.problem };
  }
}
