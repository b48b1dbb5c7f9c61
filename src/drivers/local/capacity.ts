/** What this machine offers: its GPUs, else `cpu`, and the GPUs that are only simulated. */
import { availableParallelism, hostname } from "node:os";
import { Problem } from "../../api/errors.ts";
import { DriverError, LaunchRefused, type NodeCapacity, type PodSpec } from "../driver.ts";
import { askNvidiaSmi, deviceNodes, type Gpu } from "./nvidia.ts";

const HOUR_S = 3600;
const MAX_GPU_S = 48 * HOUR_S;
const MAX_CPU_S = 7 * 24 * HOUR_S;
/** nvidia-smi takes up to seconds; its answer is good for this long. */
const FRESH_MS = 10_000;
const MAX_SIMULATED = 1024;

interface CapacityOptions {
  readonly simulate: readonly { readonly gpuType: string; readonly count: number }[];
  readonly nvidiaSmi?: string;
  readonly maxDurationS?: number;
  log(fields: Record<string, unknown>, message: string): void;
}

/** What the sessions of a pod get of the machine's GPUs. */
export interface GpuShare {
  /** CUDA_VISIBLE_DEVICES. */
  readonly visible: string;
  /** Paths in /dev. */
  readonly devices: readonly string[];
}

export class Capacity {
  readonly node = nodeName(hostname());
  readonly #options: CapacityOptions;
  /** In the order in which they were first seen: a GPU that fails keeps its index, so that no other gets it. */
  #known: readonly Gpu[] = [];
  #fault: string | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(options: CapacityOptions) {
    this.#options = options;
  }

  /** Throws Problem when a simulated type cannot be one. */
  async check(): Promise<void> {
    const real = new Set((await this.#real()).map((entry) => entry.gpuType));
    for (const { gpuType, count } of this.#options.simulate) {
      if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(gpuType))
        throw invalid(gpuType, "is not a GPU type; use a-z, 0-9 and inner -, as in h100");
      if (!Number.isInteger(count) || count < 1 || count > MAX_SIMULATED)
        throw invalid(gpuType, `needs a count from 1 to ${MAX_SIMULATED}`);
      if (real.has(gpuType) || gpuType === "cpu")
        throw invalid(gpuType, "is given twice or is a real type of this machine");
      real.add(gpuType);
    }
  }

  async nodes(): Promise<NodeCapacity[]> {
    const simulated = this.#options.simulate.map(({ gpuType, count }) =>
      this.#entry(gpuType, count, { simulated: true, healthy: true }),
    );
    return [...(await this.#real()), ...simulated];
  }

  /** The share that `spec` allocates. Throws LaunchRefused when this machine has no such GPUs. */
  async share(spec: PodSpec): Promise<GpuShare> {
    if (spec.node !== this.node) throw new LaunchRefused(`this machine is ${this.node}, not ${spec.node}`);
    const entry = (await this.nodes()).find((e) => e.gpuType === spec.gpuType);
    if (!entry || entry.simulated !== spec.simulated)
      throw new LaunchRefused(`${this.node} has no ${spec.simulated ? "simulated " : ""}${spec.gpuType}`);
    if (!entry.healthy) throw new DriverError(this.#fault ?? "the GPUs of this machine are not healthy");
    if (spec.gpus.some((gpu) => gpu >= entry.places * entry.gpusPerPlace))
      throw new LaunchRefused(`${this.node} has no ${spec.gpuType} of index ${Math.max(...spec.gpus)}`);
    if (spec.simulated || spec.gpus.length === 0) return { visible: spec.gpus.join(","), devices: [] };
    const ofType = this.#known.filter((gpu) => gpu.gpuType === spec.gpuType);
    // By UUID: where only some of the GPUs are visible, CUDA counts those from 0.
    const uuids = spec.gpus.flatMap((index) => ofType[index]?.uuid ?? []);
    return { visible: uuids.join(","), devices: await deviceNodes(uuids) };
  }

  async #real(): Promise<NodeCapacity[]> {
    await this.#refresh();
    const healthy = this.#fault === undefined;
    const types = [...new Set(this.#known.map((gpu) => gpu.gpuType))];
    if (types.length === 0) {
      const places = availableParallelism();
      return [{ ...this.#entry("cpu", places, { simulated: false, healthy }), gpusPerPlace: 0 }];
    }
    return types.map((gpuType) => {
      const count = this.#known.filter((gpu) => gpu.gpuType === gpuType).length;
      return this.#entry(gpuType, count, { simulated: false, healthy });
    });
  }

  #entry(gpuType: string, places: number, marks: { simulated: boolean; healthy: boolean }): NodeCapacity {
    const maxDurationS = this.#options.maxDurationS ?? (gpuType === "cpu" ? MAX_CPU_S : MAX_GPU_S);
    return { node: this.node, gpuType, gpusPerPlace: 1, places, maxDurationS, ...marks };
  }

  async #refresh(): Promise<void> {
    if (performance.now() - this.#asked < FRESH_MS) return;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { gpus, fault } = await askNvidiaSmi(this.#options.nvidiaSmi ?? "nvidia-smi");
    const fresh = gpus.filter((gpu) => !this.#known.some((known) => known.uuid === gpu.uuid));
    const lost = this.#known.filter((known) => !gpus.some((gpu) => gpu.uuid === known.uuid));
    this.#known = [...this.#known, ...fresh];
    this.#asked = performance.now();
    this.#note(fault ?? (lost[0] && `nvidia-smi no longer lists ${lost.map((gpu) => gpu.uuid).join(", ")}`));
  }

  /** A condition that lasts is logged when it starts and when it ends. */
  #note(fault: string | undefined): void {
    if (fault !== undefined && this.#fault === undefined)
      this.#options.log({ fault }, "the GPUs of this machine are not healthy; nothing new is placed on it");
    if (fault === undefined && this.#fault !== undefined)
      this.#options.log({}, "the GPUs of this machine are healthy again");
    this.#fault = fault;
  }
}

const invalid = (gpuType: string, detail: string): Problem =>
  new Problem("invalid_input", `the simulated type ${JSON.stringify(gpuType)} ${detail}`);

/** A host's name as the name of a node: a-z, 0-9 and inner "-". */
export const nodeName = (host: string): string =>
  host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "") || "local";
