import { availableParallelism, hostname } from "node:os";
/** What this machine offers: its GPUs, else `cpu`, what the operator states, and the GPUs that are only simulated. */
import { DriverError, LaunchRefused, type NodeCapacity, type PodSpec, type StatedTypes } from "../driver.ts";
import { unlessLate } from "./cached.ts";
import { askMig } from "./mig.ts";
import { askNvidiaSmi, type Gpu } from "./nvidia.ts";
import { knownGpus } from "./order.ts";
import { checkSimulated, type Simulated, simulatedNodes } from "./simulated.ts";
import type { Smi } from "./smi.ts";
import { cutOffers, faultsOf, NOTHING_STATED } from "./stated.ts";

const HOUR_S = 3600;
const MAX_GPU_S = 48 * HOUR_S;
const MAX_CPU_S = 7 * 24 * HOUR_S;
/** nvidia-smi takes up to seconds; its answer is good for this long. */
const FRESH_MS = 10_000;

interface CapacityOptions {
  /** Default: this machine's name. */
  readonly node?: string;
  /** How many places of `cpu` a machine without GPUs has. Default: this machine's processors. */
  readonly cpus?: () => number;
  /** Keeps the order of the GPUs over restarts. */
  readonly dataDir: string;
  readonly simulate: readonly Simulated[];
  /** Asked each time: it may change while the server runs. */
  readonly stated?: () => StatedTypes;
  readonly smi: Pick<Smi, "run">;
  /** GPUs that the operator states: then nobody is asked. */
  readonly gpus?: readonly Gpu[];
  /** How long what nvidia-smi said is good. Default: 10 s. */
  readonly freshMs?: number;
  /** An answer that takes longer is for who asks later: till then what it said before is good. Default: it is waited for. */
  readonly patienceMs?: number;
  readonly maxDurationS?: number;
  log(fields: Record<string, unknown>, message: string): void;
}

/** What the sessions of a pod get of the machine's GPUs. */
export interface GpuShare {
  /** CUDA_VISIBLE_DEVICES. */
  readonly visible: string;
  /** UUIDs of the GPUs or of their slices; empty without real GPUs. */
  readonly ids: readonly string[];
  /** UUIDs of the GPUs that these are, or are parts of. */
  readonly gpus: readonly string[];
  /** How many places the node has of the type. */
  readonly places: number;
}

export class Capacity {
  readonly node: string;
  readonly #options: CapacityOptions;
  /** In the order in which they were first seen: a GPU that fails keeps its index, so that no other gets it. */
  #known: readonly Gpu[] = [];
  /** By a GPU's UUID, those of its slices; only asked for while the operator states some. */
  #slices: ReadonlyMap<string, readonly string[]> = new Map();
  #fault: string | undefined;
  #misstated: string | undefined;
  #asked = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  constructor(options: CapacityOptions) {
    this.#options = options;
    this.node = options.node ?? nodeName(hostname());
  }

  /** Throws Problem when a simulated type cannot be one. */
  async check(): Promise<void> {
    await this.#refresh();
    checkSimulated(this.#options.simulate, this.#types());
  }

  async nodes(): Promise<NodeCapacity[]> {
    await this.#refresh();
    return this.#offers();
  }

  /** By what was found out last. */
  #offers(): NodeCapacity[] {
    const stated = this.#stated();
    const offers = [...this.#real(), ...this.#simulated()];
    this.#noteMisstated(faultsOf(offers, stated));
    const isTaken = ({ gpuType }: { gpuType: string }) => offers.some((offer) => offer.gpuType === gpuType);
    const cuts = stated.cuts.filter((cut) => !isTaken(cut));
    return [
      ...this.#withoutGpus(stated).filter((type) => !isTaken(type)),
      ...cutOffers(offers, cuts).map((offer) => this.#checked(offer)),
    ];
  }

  /** The share that `spec` allocates. Throws LaunchRefused when this machine has no such GPUs. */
  async share(spec: PodSpec): Promise<GpuShare> {
    const entry = await this.#find(spec);
    if (!entry.healthy) throw new DriverError(this.#fault ?? "the GPUs of this machine are not healthy");
    const indices = new Set(entry.indices ?? Array.from({ length: entry.places }, (_, i) => i));
    const wrong = spec.gpus.filter((gpu) => entry.gpusPerPlace === 0 || !indices.has(gpu));
    if (wrong.length > 0)
      throw new LaunchRefused(`${spec.node} has no ${spec.gpuType} of index ${wrong.join(", ")}`);
    const { places } = entry;
    if (spec.simulated || spec.gpus.length === 0)
      return { visible: spec.gpus.join(","), ids: [], gpus: [], places };
    const gpus = spec.gpus.map((index) => this.#gpuOf(entry, index));
    // By UUID: where only some of the GPUs are visible, CUDA counts those from 0.
    const ids = spec.gpus.map((index, i) => this.#uuidOf(entry, index, gpus[i] ?? ""));
    return { visible: ids.join(","), ids, gpus: [...new Set(gpus)], places };
  }

  async #find(spec: PodSpec): Promise<NodeCapacity> {
    // Without real GPUs there is nothing to ask nvidia-smi for, which may hang.
    if (!spec.simulated && spec.gpus.length > 0) await this.#refresh();
    const offers = this.#offers();
    const here = offers.filter((offer) => offer.node === spec.node);
    if (here.length === 0) throw new LaunchRefused(`this machine is ${this.#options.node}, not ${spec.node}`);
    const entry = here.find((offer) => offer.gpuType === spec.gpuType);
    if (!entry || entry.simulated !== spec.simulated)
      throw new LaunchRefused(`${spec.node} has no ${spec.simulated ? "simulated " : ""}${spec.gpuType}`);
    return entry;
  }

  /** The UUID of the GPU behind a place. */
  #gpuOf({ gpuType, slice }: NodeCapacity, index: number): string {
    const ofType = this.#known.filter((gpu) => gpu.gpuType === (slice?.of ?? gpuType));
    return ofType[Math.floor(index / (slice?.perGpu ?? 1))]?.uuid ?? "";
  }

  #uuidOf({ slice }: NodeCapacity, index: number, gpu: string): string {
    return slice ? (this.#slices.get(gpu)?.[index % slice.perGpu] ?? "") : gpu;
  }

  #stated = (): StatedTypes => this.#options.stated?.() ?? NOTHING_STATED;
  #types = (): string[] => [...new Set(this.#known.map((gpu) => gpu.gpuType))];

  #real(): NodeCapacity[] {
    return this.#types().map((gpuType) => {
      const places = this.#known.filter((gpu) => gpu.gpuType === gpuType).length;
      return this.#entry(gpuType, places, { simulated: false, ...this.#health() });
    });
  }

  #simulated(): NodeCapacity[] {
    return this.#options.simulate.flatMap((type) =>
      simulatedNodes(this.node, type).map((node) => ({
        ...this.#entry(type.gpuType, type.count, { simulated: true, healthy: true }),
        node,
      })),
    );
  }

  /** Those that are stated; a machine without GPUs has `cpu` in any case. */
  #withoutGpus({ withoutGpus }: StatedTypes): NodeCapacity[] {
    const cpu = { gpuType: "cpu", places: (this.#options.cpus ?? availableParallelism)() };
    const own = this.#known.length > 0 || withoutGpus.some((t) => t.gpuType === "cpu") ? [] : [cpu];
    return [...own, ...withoutGpus].map(({ gpuType, places }) => ({
      ...this.#entry(gpuType, places, { simulated: false, ...this.#health() }),
      gpusPerPlace: 0,
      maxDurationS: this.#options.maxDurationS ?? MAX_CPU_S,
    }));
  }

  #health = (): Pick<NodeCapacity, "healthy" | "fault"> =>
    this.#fault === undefined ? { healthy: true } : { healthy: false, fault: this.#fault };

  #entry(
    gpuType: string,
    places: number,
    marks: Pick<NodeCapacity, "simulated" | "healthy" | "fault">,
  ): NodeCapacity {
    const maxDurationS = this.#options.maxDurationS ?? MAX_GPU_S;
    return { node: this.node, gpuType, gpusPerPlace: 1, places, maxDurationS, ...marks };
  }

  /** Slices that are stated but not made by nvidia-smi yet cannot be given. */
  #checked(offer: NodeCapacity): NodeCapacity {
    const { slice, simulated, indices = [] } = offer;
    if (!slice || simulated) return offer;
    const made = indices.every((i) => this.#uuidOf(offer, i, this.#gpuOf(offer, i)) !== "");
    return made
      ? offer
      : { ...offer, healthy: false, fault: `nvidia-smi has not made the slices ${offer.gpuType} yet` };
  }

  async #refresh(): Promise<void> {
    const { freshMs = FRESH_MS, patienceMs } = this.#options;
    // What is wrong may be mended soon.
    const goodMs = this.#fault === undefined ? freshMs : FRESH_MS;
    if (performance.now() - this.#asked < goodMs) return;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    const known = this.#asked > Number.NEGATIVE_INFINITY;
    await (known && patienceMs !== undefined ? unlessLate(this.#asking, patienceMs) : this.#asking);
  }

  async #ask(): Promise<void> {
    const { dataDir, smi, gpus: stated } = this.#options;
    if (stated) {
      this.#known = stated;
      return;
    }
    const { gpus, fault } = await askNvidiaSmi(smi);
    this.#known = await knownGpus(dataDir, gpus);
    const lost = this.#known.filter((known) => !gpus.some((gpu) => gpu.uuid === known.uuid));
    const cut = this.#stated().cuts.some(({ of }) => this.#types().includes(of));
    this.#slices = cut ? await askMig(smi) : new Map();
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

  #noteMisstated(faults: readonly string[]): void {
    const words = faults.length === 0 ? undefined : faults.join("; ");
    if (words !== undefined && words !== this.#misstated)
      this.#options.log({ faults: words }, "the configuration states what this machine does not have");
    this.#misstated = words;
  }
}

/** A host's name as the name of a node: a-z, 0-9 and inner "-". */
export const nodeName = (host: string): string =>
  host
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, "") || "local";
