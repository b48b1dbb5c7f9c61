/** One Docker Engine: a node, what it has, and what our pods need there before they can be. */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { disksOn } from "../docker-disks/on-host.ts";
import type { RemoteDisks } from "../docker-disks/remote-disks.ts";
import { DriverError, LaunchRefused, type NodeCapacity, type PodSpec, type StatedTypes } from "../driver.ts";
import { wordsOf } from "../local/asking.ts";
import { Capacity } from "../local/capacity.ts";
import { type Simulated, simulatedNodes } from "../local/simulated.ts";
import type { Engine } from "./engine.ts";
import { removeOldHelpers, runHelper } from "./helper.ts";
import type { Identities } from "./identities.ts";
import { type EngineVersion, machineFault, versionFault } from "./machine.ts";
import type { Names } from "./names.ts";
import { smiIn } from "./probe.ts";
import type { Programs } from "./programs.ts";
import { bytesIn, ROOM_COMMAND } from "./room.ts";
import { type EngineInfo, type Share, shareOf } from "./share.ts";
import type { Tools } from "./tools.ts";
import { isPlaced, placeTools, type ToolsPlace } from "./tools-volume.ts";

export interface HostOptions {
  readonly node: string;
  readonly engine: Engine;
  readonly names: Names;
  /** Keeps the order of its GPUs over restarts. */
  readonly dataDir: string;
  readonly simulate: readonly Simulated[];
  readonly stated?: () => StatedTypes;
  /** Instead of what nvidia-smi says there. */
  readonly gpus?: readonly { readonly type: string; readonly count: number }[];
  /** What the operator says of it. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly programs: Programs;
  /** Of all hosts. */
  readonly identities: Identities;
  log(fields: Record<string, unknown>, message: string): void;
}

/** A probe is a container of its own. */
const FRESH_GPUS_MS = 60_000;
/** Nobody who asks about all hosts waits longer for one of them. */
export const INFO_PATIENCE_MS = 5000;
/** What it says of itself is good for so long. */
const FRESH_INFO_MS = 3000;

export class DockerHost {
  readonly node: string;
  readonly engine: Engine;
  readonly disks: RemoteDisks;
  readonly #options: HostOptions;
  readonly #capacity: Capacity;
  #info: { readonly at: number; readonly answer: EngineInfo } | undefined;
  #asking: Promise<EngineInfo> | undefined;
  #place: Promise<ToolsPlace> | undefined;
  #fault: string | undefined;

  constructor(options: HostOptions) {
    this.#options = options;
    this.node = options.node;
    this.engine = options.engine;
    this.disks = disksOn(options.engine, options.names, async () => {
      await this.info();
      return options.programs.agent();
    });
    const dataDir = join(options.dataDir, "hosts", options.node);
    const smi = { run: (args: readonly string[]) => this.#smi(args) };
    const cpus = () => this.#info?.answer.NCPU ?? 1;
    const { gpus: counted, ...rest } = options;
    const types = counted?.flatMap(({ type, count }) => Array.from({ length: count }, () => type));
    this.#capacity = new Capacity({
      ...rest,
      dataDir,
      smi,
      cpus,
      freshMs: FRESH_GPUS_MS,
      patienceMs: INFO_PATIENCE_MS,
      // As the engine counts them.
      ...(types && { gpus: types.map((gpuType, i) => ({ gpuType, uuid: String(i) })) }),
    });
  }

  /** Whether the node is this host, or one that is only simulated on it. */
  has(node: string): boolean {
    return (
      node === this.node ||
      this.#options.simulate.some((type) => simulatedNodes(this.node, type).includes(node))
    );
  }

  /** Throws Problem when a simulated type cannot be one. */
  check(): Promise<void> {
    return this.#capacity.check();
  }

  /** What it has; all of it unhealthy when it cannot be asked. */
  async nodes(): Promise<NodeCapacity[]> {
    const fault = await this.#unfit().catch((error: unknown) => {
      if (error instanceof DriverError) return this.engine.fault ?? error.message;
      throw error;
    });
    // Who it is that does not answer is told by its engine.
    if (this.engine.fault === undefined) this.#note(fault);
    const nodes = await this.#capacity.nodes();
    const { labels } = this.#options;
    return nodes.map((entry) => ({
      ...entry,
      host: this.node,
      ...(labels && { labels }),
      ...(fault !== undefined && { healthy: false, fault }),
    }));
  }

  /** The pod's GPUs and limits. Throws LaunchRefused when it has no such GPUs. */
  async share(spec: PodSpec): Promise<Share> {
    return shareOf(spec, await this.#capacity.share(spec), await this.machine());
  }

  /** What it is, which does not change: asking anew would cost the engine the start of programs. */
  async machine(): Promise<EngineInfo> {
    return this.#info?.answer ?? (await this.info());
  }

  /** The programs that its pods have. Throws LaunchRefused, DriverError. */
  get tools(): () => Promise<Tools> {
    return this.#options.programs.tools;
  }

  /** Why no pod can be there, though it answers. */
  async #unfit(): Promise<string | undefined> {
    return (await this.#unfitEngine()) ?? (await this.#unfitPrograms());
  }

  async #unfitEngine(): Promise<string | undefined> {
    const fault = machineFault(await this.info(), this.#options.programs.own);
    const patience = { patienceMs: INFO_PATIENCE_MS };
    return fault ?? versionFault(await this.engine.ask<EngineVersion>("GET", "/version", patience));
  }

  /** A helper image may have to come from a registry first. */
  async #unfitPrograms(): Promise<string | undefined> {
    const waiting = new AbortController();
    const late = pause(INFO_PATIENCE_MS, "what its pods need is not there yet", { signal: waiting.signal });
    const tools = this.tools().then(() => undefined, wordsOf);
    try {
      return await Promise.race([tools, late]);
    } finally {
      late.catch(() => undefined);
      waiting.abort();
    }
  }

  /** What it says of itself, at most 3 s old. Throws SameEngine when it is another host, too. */
  async info(): Promise<EngineInfo> {
    if (this.#info && performance.now() - this.#info.at < FRESH_INFO_MS) return this.#info.answer;
    this.#asking ??= this.engine
      .ask<EngineInfo>("GET", "/info", { patienceMs: INFO_PATIENCE_MS })
      .finally(() => {
        this.#asking = undefined;
      });
    const answer = await this.#asking;
    this.#options.identities.claim(this.node, answer.ID);
    this.#info = { at: performance.now(), answer };
    return answer;
  }

  /** The tools that its pods have; put there when it is first asked, and when somebody took them away. */
  async place(): Promise<ToolsPlace> {
    const before = this.#place;
    const place = before && (await before);
    if (place && !(await isPlaced(this.engine, place)) && this.#place === before) this.#place = undefined;
    this.#place ??= this.#makePlace().catch((error: unknown) => {
      this.#place = undefined;
      throw error;
    });
    return this.#place;
  }

  /** How many bytes are free where its engine keeps its images. Throws DriverError. */
  async room(): Promise<number> {
    const { image } = await this.place();
    const helper = { image, command: ROOM_COMMAND };
    const { code, stdout, stderr } = await runHelper(this.engine, this.#options.names, helper);
    if (code === 0) return bytesIn(stdout);
    throw new DriverError(`how much is free on ${this.node} cannot be found out: ${stderr.trim()}`);
  }

  /** The next pod finds them put there anew. */
  forgetPlace(): void {
    this.#place = undefined;
  }

  async #makePlace(): Promise<ToolsPlace> {
    const { names } = this.#options;
    const fault = await this.#unfitEngine();
    if (fault !== undefined)
      throw new LaunchRefused(`the Docker host ${this.node} cannot have pods: ${fault}`);
    await removeOldHelpers(this.engine, names);
    return placeTools(this.engine, names, await this.tools());
  }

  async #smi(args: readonly string[]): Promise<string> {
    // One that does not answer is not asked for more: nobody waits for that as long as it takes.
    const fault = await this.#unfit();
    if (fault !== undefined) throw new DriverError(fault);
    const { image } = await this.place();
    // A GPU that fails may hold up nvidia-smi for good: where one cannot be taken away, no other is begun.
    await removeOldHelpers(this.engine, this.#options.names);
    return smiIn((helper) => runHelper(this.engine, this.#options.names, { ...helper, image }), args);
  }

  /** A condition that lasts is logged when it starts and when it ends. */
  #note(fault: string | undefined): void {
    const { log } = this.#options;
    if (fault !== undefined && fault !== this.#fault)
      log({ node: this.node, fault }, "a Docker host cannot be used; nothing new is placed on it");
    if (fault === undefined && this.#fault !== undefined)
      log({ node: this.node }, "a Docker host can be used again");
    this.#fault = fault;
  }
}
