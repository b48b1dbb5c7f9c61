/** `gpu-dev status`: the server's health and version, and its GPUs. */
import { RefusedRequest } from "../../api/client.ts";
import { EXIT } from "../../api/errors.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { availabilityTable, closedWords } from "../output/availability.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: {},
  details:
    "Exits with 75 when the server is not ready. Services outside of it that do not answer (such as who logs people in) are named, and so are Docker hosts.",
  examples: [{ line: "gpu-dev status", meaning: "Which server, how it is, and what its GPUs do" }],
  async run(_args, _options, ctx): Promise<Output> {
    const health = await readiness(ctx);
    const [deployment, { items }] = await Promise.all([
      ctx.api().getDeployment({}),
      allPages((query) => ctx.api().listAvailability({ query })),
    ]);
    const { url, origin } = ctx.endpoint();
    ctx.say(`Server ${deployment.version} at ${url} (set by ${origin}): ${health.words}`);
    for (const name of health.down) ctx.say(`${name} does not answer the server; what needs it has to wait.`);
    for (const line of closedWords(items, ctx.clock.now())) ctx.say(line);
    return {
      json: { url, health: health.json, deployment, availability: items },
      ...availabilityTable(items, ctx.clock.now()),
      empty: "The server has no GPUs at the moment.",
      exit: health.ready ? EXIT.ok : EXIT.tryLater,
    };
  },
});

interface Readiness {
  readonly ready: boolean;
  readonly words: string;
  /** Services outside of the deployment. */
  readonly down: readonly string[];
  readonly json: unknown;
}

/** Not ready is an answer here, with the failing part in words; anything else stays an error. */
async function readiness(ctx: Context): Promise<Readiness> {
  try {
    const health = await ctx.api().getReady({});
    const services = Object.entries(health.services ?? {});
    const down = services.flatMap(([name, state]) => (state === "down" ? [name] : []));
    return { ready: health.status === "ok", words: health.status, down, json: health };
  } catch (error) {
    if (!(error instanceof RefusedRequest)) throw error;
    return { ready: false, words: error.problem.detail, down: [], json: error.problem };
  }
}
