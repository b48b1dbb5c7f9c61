/** The contract's shape of what a reservation's pods use of their nodes. What nobody can tell is null, and said in `unknown`. */
import * as z from "zod";
import { instant } from "./schemas.ts";

const cpu = z.object({
  used_millicpus: z.int().describe("Thousandths of a CPU that were busy, over the last half second"),
  of_millicpus: z.int().describe("Those that it may keep busy"),
});

const memory = z.object({ used_bytes: z.int(), of_bytes: z.int() });

const network = z.object({
  received_bytes: z.int().describe("Since the pod began"),
  sent_bytes: z.int().describe("Since the pod began"),
  received_bytes_per_s: z.int().describe("Over the last half second"),
  sent_bytes_per_s: z.int().describe("Over the last half second"),
});

const gpu = z.object({
  index: z.int().describe("On its node"),
  busy_percent: z.int().nullable().describe("Of the last moment, in which it worked"),
  used_bytes: z.int().nullable().describe("Of its memory"),
  of_bytes: z.int().nullable(),
});

const nodeUsage = z.object({
  rank: z.int(),
  node: z.string(),
  error: z
    .string()
    .nullable()
    .describe("Why nothing is known of it now, of several nodes; all else is null then"),
  cpu: cpu.nullable(),
  memory: memory.nullable(),
  gpus: z.array(gpu).nullable().describe("Empty for a type without GPUs"),
  network: network.nullable(),
  home: memory.nullable().describe("The file system that its home is on"),
  unknown: z
    .array(z.object({ part: z.string().describe("Such as network"), reason: z.string() }))
    .describe("Why a part is null"),
});
export type NodeUsage = z.infer<typeof nodeUsage>;

export const podUsage = z.object({
  id: z.string(),
  name: z.string().nullable(),
  at: instant,
  nodes: z.array(nodeUsage).describe("By rank"),
});
export type PodUsage = z.infer<typeof podUsage>;
