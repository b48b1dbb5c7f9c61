/** `gpu-dev avail`: what is free, by GPU type. */
import { defineCommand } from "../command.ts";
import { rememberNames } from "../completion-cache.ts";
import { availabilityTable } from "../output/availability.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: {},
  details:
    "Counts are GPUs; of a type without GPUs they are places for reservations. total = free + used + unavailable.",
  examples: [
    { line: "gpu-dev avail", meaning: "What could start now, and when the rest could" },
    { line: "gpu-dev avail --json", meaning: "The same as the API has it" },
  ],
  async run(_args, _options, ctx): Promise<Output> {
    const page = await ctx.api().listAvailability({});
    rememberNames(ctx, { gpuTypes: page.items.map((item) => item.gpu_type) });
    return {
      json: page,
      ...availabilityTable(page.items, ctx.clock.now()),
      empty: "The server has no GPUs at the moment; `gpu-dev status` says how it is.",
    };
  },
});
