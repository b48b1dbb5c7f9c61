/** The contract's shapes of what there is to reserve: GPU types, what of them is free, and the nodes. */
import * as z from "zod";
import { FINAL_STATES, STATES } from "./reservations.ts";
import { instant, page } from "./schemas.ts";

export const gpuType = z.object({
  name: z.string(),
  gpus_per_slot: z.int().describe("GPUs in one slot of this type: 1, or 0 for a type without GPUs"),
  max_gpus_per_node: z
    .int()
    .describe(
      "The most that one node has; 0 for a type without GPUs, and for one that no node offers at present",
    ),
  nodes: z
    .int()
    .describe("How many nodes offer it at present, and how many of them have `max_gpus_per_node`"),
  full_nodes: z.int(),
  max_duration_s: z.int(),
  simulated: z.boolean(),
  description: z.string().nullable().describe('What the operator says of it; null is "not said"'),
  gpu_memory_bytes: z.int().nullable().describe("Memory of one GPU"),
  cpus: z.int().nullable().describe("What comes with one GPU, or with one place of a type without GPUs"),
  memory_bytes: z.int().nullable(),
  price_per_hour: z
    .int()
    .nullable()
    .describe("Micro-dollars for an hour of one GPU, or of one place of a type without GPUs"),
  slice_of: z
    .string()
    .nullable()
    .describe("For a slice: the type of the GPUs that are cut, and into how many"),
  slices_per_gpu: z.int().nullable(),
});
export type GpuType = z.infer<typeof gpuType>;

/** Of those that give nothing of a type. */
const closedNode = z.object({
  name: z.string(),
  why: z.string().describe('In words, such as "it is cordoned"'),
  since: instant.nullable(),
});
export type ClosedNode = z.infer<typeof closedNode>;

/** By type: total = free + used + unavailable, in GPUs (in places for a type without GPUs). */
export const availability = z.object({
  gpu_type: z.string(),
  unit: z.enum(["gpu", "place"]),
  total: z.int(),
  free: z.int(),
  used: z.int(),
  unavailable: z.int(),
  closed_nodes: z
    .array(closedNode)
    .describe("Why some are unavailable: the first 20 nodes, by name, that give nothing"),
  queued: z.int(),
  simulated: z.boolean(),
  node_labels: z
    .record(z.string(), z.array(z.string()))
    .describe(
      "Labels of the nodes that offer it, each with its values: what `node_labels` of a request may ask for",
    ),
  isolation: z.string(),
  max_duration_s: z.int(),
  latest_start_at: instant
    .nullable()
    .describe(
      "When a newcomer that asks for one, for an hour, would start at the latest; null when it is unknown",
    ),
});
export type Availability = z.infer<typeof availability>;

export const node = z.object({
  name: z.string(),
  labels: z.record(z.string(), z.string()).describe("What the operator says of it"),
  healthy: z.boolean().describe("As the driver reports it; a node that it does not report is not healthy"),
  fault: z
    .string()
    .nullable()
    .describe("Why it is not healthy, in words; null while it is, and where nobody knows"),
  unhealthy_since: instant.nullable().describe("Null while it is healthy, and where nobody knows"),
  cordoned_at: instant.nullable().describe("Since when it gets nothing new; null while it does"),
  gpu_types: z.array(z.object({ name: z.string(), places: z.int(), simulated: z.boolean() })),
  reservations: z.int().describe("How many hold something there"),
});
export type Node = z.infer<typeof node>;

const nodeHolder = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string(),
  state: z.enum(STATES),
  places: z.int().describe("GPUs that it holds there, or places of a type without GPUs"),
  gone_by: instant
    .nullable()
    .describe("When it has given them back at the latest, if it is not extended; null when nobody can tell"),
});
export type NodeHolder = z.infer<typeof nodeHolder>;

/** Of a host that is gone for good: a machine, with all nodes that are on it. */
export const nodeLosses = z.object({
  node: z.string().describe("The host's own node"),
  nodes: z.array(z.string()).describe("All nodes on it: they are forgotten together"),
  configured: z
    .boolean()
    .describe(
      "Whether the configuration of the server that answers still has it; then it is a node again soon",
    ),
  reservations: z
    .array(
      z.object({
        id: z.string(),
        name: z.string().nullable(),
        owner: z.string(),
        state: z.enum(STATES),
        becomes: z
          .enum(["queued", ...FINAL_STATES])
          .describe("queued: it was not ready yet, and starts elsewhere"),
      }),
    )
    .describe("Those that hold something there, and those that wait for a disk there"),
  disks: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      owner: z.string(),
      size_bytes: z.int(),
      used_bytes: z.int().nullable(),
      last_used_at: instant.nullable(),
      snapshots: z.int().describe("They are lost with it"),
      becomes: z.enum(["lost", "gone"]).describe("gone: it was being created, or deleted for good"),
    }),
  ),
  operations: z.int().describe("How many operations on disks there are under way: they end as failed"),
});
export type NodeLosses = z.infer<typeof nodeLosses>;

export const nodeParams = z.strictObject({
  node: z.string().regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/),
});

export const gpuTypePage = page(gpuType);
export const availabilityPage = page(availability);
export const nodePage = page(node);
export const nodeHolderPage = page(nodeHolder);
