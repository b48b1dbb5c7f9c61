/** The contract's shapes of what the plan foresees: of a request that is not made, and of one that waits. */
import * as z from "zod";
import { instant, page } from "./schemas.ts";

/** What a request would come to; nothing is created. */
export const forecast = z.object({
  gpu_type: z.string(),
  gpu_count: z.int(),
  duration_s: z.int(),
  simulated: z.boolean(),
  latest_start_at: instant
    .nullable()
    .describe(
      "When it would start at the latest: now, at the time that was asked for, or in the queue; null when it is unknown",
    ),
  latest_end_at: instant.nullable().describe("When it would end at the latest"),
  nodes: z.array(z.string()).describe("The nodes that it would get; they may be others when its time comes"),
  price: z.int().nullable().describe("Micro-dollars for all of its time; null when the type has no price"),
  queue_position: z.int().nullable().describe("Its place in the queue; null when it would start at once"),
  reason: z.string().nullable().describe("Why it would wait, in words; null when it would start at once"),
});
export type Forecast = z.infer<typeof forecast>;

/** A way to start sooner: the one thing to change in the request, and the latest start with it. */
export const wayToStartSooner = z.object({
  change: z.enum(["gpu_count", "gpu_type", "duration_s"]),
  gpu_type: z.string(),
  gpu_count: z.int(),
  simulated: z.boolean(),
  duration_s: z.int(),
  latest_start_at: instant,
});
export type WayToStartSooner = z.infer<typeof wayToStartSooner>;

export const advicePage = page(wayToStartSooner);
