/**
 * What the operator says of GPU types beside what the driver reports. A type that nobody describes has the driver's defaults.
 * A *slice* is a type of its own that is a part of a GPU of another type.
 */

/** Null is "not said". */
export interface TypeSettings {
  readonly description: string | null;
  /** Bytes of memory of one GPU. */
  readonly gpuMemory: number | null;
  /** Processors and bytes of main memory that come with one GPU, or with one place of a type without GPUs. */
  readonly cpus: number | null;
  readonly memory: number | null;
  /** Longest reservation in seconds, with all extensions. */
  readonly maxDurationS: number | null;
  /** Seconds after which a pod that nobody uses is ended; 0 for never. */
  readonly idleAfterS: number | null;
  /** Micro-dollars for an hour of one GPU, or of one place of a type without GPUs. */
  readonly pricePerHour: number | null;
  /** The type of which this is a slice, and how many of them a GPU of that type is cut into. */
  readonly slice: { readonly of: string; readonly perGpu: number } | null;
  readonly withoutGpus: boolean;
}

/** By name of the type. */
export type Catalogue = ReadonlyMap<string, TypeSettings>;

export const NO_CATALOGUE: Catalogue = new Map();
