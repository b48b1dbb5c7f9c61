/** `gpu-dev avail`: what is free, by GPU type. */
import type { Availability } from "../../api/inventory.ts";
import type { Page } from "../../api/schemas.ts";
import { defineCommand } from "../command.ts";
import { rememberNames } from "../completion/cache.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { typedLabels } from "../node-labels.ts";
import { checkWatching, watching } from "../options.ts";
import { availabilityTable, closedWords } from "../output/availability.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: watching,
  details:
    "Counts are GPUs; of a type without GPUs they are places for reservations. total = free + used + unavailable. --watch asks every two seconds: on a terminal the table changes in place; with --json each change is one line of JSON, in a pipe one block of lines.",
  examples: [
    { line: "gpu-dev avail", meaning: "What could start now, and when the rest could" },
    { line: "gpu-dev avail --watch", meaning: "The same as it changes" },
    { line: "gpu-dev avail --json", meaning: "The same as the API has it" },
  ],
  async run(_args, given, ctx): Promise<Output | number> {
    checkWatching(given);
    if (given.watch) return await watchAvailability(ctx, given.timeout);
    const page = await allPages((query) => ctx.api().listAvailability({ query }));
    rememberNames(ctx, {
      gpuTypes: page.items.map((item) => item.gpu_type),
      nodeLabels: typedLabels(page.items),
    });
    const now = ctx.clock.now();
    for (const line of closedWords(page.items, now)) ctx.say(line);
    return output(page, now);
  },
});

/** Loaded only when it is asked for. */
async function watchAvailability(ctx: Context, timeoutS: number | undefined): Promise<number> {
  const [{ watch }, { availabilityFeed }] = await Promise.all([
    import("../watching/watch.ts"),
    import("../watching/feed.ts"),
  ]);
  return await watch(ctx, availabilityFeed, output, { timeoutS });
}

const output = (page: Page<Availability>, now: Date): Output => ({
  json: page,
  // A newcomer's start that moves with the time is no change.
  watched: { items: page.items.map(({ latest_start_at: _, ...counts }) => counts) },
  ...availabilityTable(page.items, now),
  empty: "The server has no GPUs at the moment; `gpu-dev status` says how it is.",
});
