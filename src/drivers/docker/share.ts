/** A pod's part of its node: the GPUs that it gets, and limits in proportion to them. */
import type { PodSpec } from "../driver.ts";
import type { GpuShare } from "../local/capacity.ts";

/** What the engine says of its machine; some kernels cannot limit everything. */
export interface EngineInfo {
  readonly ID: string;
  readonly Name: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly CpuCfsQuota: boolean;
  readonly CPUShares: boolean;
  readonly PidsLimit: boolean;
  readonly Architecture: string;
  readonly OSType: string;
}

export interface Share {
  /** As the engine's HostConfig has them. */
  readonly limits: Readonly<Record<string, number>>;
  readonly devices: readonly object[];
  /** UUIDs, or indices where they are stated; empty without real GPUs. */
  readonly ids: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** Processes and threads on a whole node; many frameworks start one for each processor and worker. */
const NODE_PIDS = 32_768;
const LEAST_PIDS = 2048;
const LEAST_MEMORY = 256 * 1024 * 1024;
/** A pod with less than one is slow to log in to. What is given twice is shared by weight. */
const LEAST_CPUS = 1;
/** Of one CPU; see cpu.shares of the kernel. */
const WEIGHT = 1024;
const LEAST_WEIGHT = 2;
/** One of so many parts the machine itself keeps of its memory, for its engine and what else runs there. */
const KEPT_OF = 20;
const MOST_KEPT = 4 * 1024 ** 3;

/** `gpus` is what the node's capacity gives for the spec. */
export function shareOf(spec: PodSpec, gpus: GpuShare, info: EngineInfo): Share {
  const part = Math.min(1, Math.max(1, spec.gpus.length) / gpus.places);
  const ids = spec.simulated ? [] : gpus.ids;
  return {
    limits: limitsOf(part, info),
    devices: ids.length === 0 ? [] : [{ DeviceIDs: ids, Capabilities: [["gpu"]] }],
    ids,
    environment: visible(spec, gpus),
  };
}

function limitsOf(part: number, info: EngineInfo): Record<string, number> {
  const memory = Math.max(LEAST_MEMORY, Math.floor(forPods(info.MemTotal) * part));
  return {
    ...(info.CpuCfsQuota && { NanoCpus: Math.floor(Math.max(LEAST_CPUS, info.NCPU * part) * 1e9) }),
    ...(info.CPUShares && { CpuShares: Math.max(LEAST_WEIGHT, Math.round(info.NCPU * part * WEIGHT)) }),
    ...(info.MemoryLimit && { Memory: memory }),
    // As much again as nothing: what does not fit into memory is not swapped out.
    ...(info.MemoryLimit && info.SwapLimit && { MemorySwap: memory }),
    ...(info.PidsLimit && { PidsLimit: Math.max(LEAST_PIDS, Math.floor(NODE_PIDS * part)) }),
    // Loaders of data pass batches through it; it counts as memory.
    ShmSize: Math.floor(memory / 2),
  };
}

const forPods = (memory: number): number => memory - Math.min(MOST_KEPT, Math.floor(memory / KEPT_OF));

/** A container sees only its own GPUs: stated indices, which count those of the machine, mean nothing inside. */
function visible({ simulated, gpus }: PodSpec, { visible: all, ids }: GpuShare): Record<string, string> {
  const byUuid = ids.every((id) => !/^\d+$/.test(id));
  if (simulated || gpus.length === 0 || byUuid) return { CUDA_VISIBLE_DEVICES: all };
  return { CUDA_VISIBLE_DEVICES: gpus.map((_, i) => i).join(",") };
}
