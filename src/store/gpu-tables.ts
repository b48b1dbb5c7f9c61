/** The tables of what there is and who has it, and what each column may hold. */
import { flag, instant, int, nullable, type Row, text } from "./columns.ts";

export const capacityShape = {
  node: text,
  gpu_type: text,
  gpus_per_place: flag,
  /** How many can be given out. */
  places: int,
  /** Their indices, as a JSON list; null for 0 to places - 1. */
  indices: nullable(text),
  /** The type of which these are slices, `per_gpu` to a GPU; null for what is no slice. */
  slice_of: nullable(text),
  per_gpu: int,
  healthy: flag,
  /** While it is not healthy: why, in words. */
  fault: nullable(text),
  /** Since when it is not. */
  unhealthy_since: nullable(instant),
  simulated: flag,
  max_duration_s: int,
  /** The machine whose disks can be had there; null where all nodes have the same. */
  host: nullable(text),
  /** What the operator says of the node, as a JSON object in the order of its keys; null for nothing. */
  labels: nullable(text),
  seen_at: instant,
};

/** A node that gets nothing new. */
export const cordonShape = { node: text, since: instant, by_user: text };

export const allocationShape = {
  node: text,
  gpu_type: text,
  gpu_index: int,
  /** The GPU that it is, or of which it is a slice. */
  device_type: text,
  device_index: int,
  /** Which of the reservation's nodes this is: 0, 1, … */
  node_rank: int,
  reservation_id: text,
};

/** What each GPU that was ever given is used as: its own type, or that of its slices. */
const deviceShape = { node: text, device_type: text, device_index: int, used_as: text };

export type CapacityRow = Row<typeof capacityShape>;
export type CordonRow = Row<typeof cordonShape>;
export type AllocationRow = Row<typeof allocationShape>;
export type DeviceRow = Row<typeof deviceShape>;
