/**
 * The local driver: each pod is an OpenSSH server of its own on this machine, detached from the life of this process. What is known
 * of a pod is in its directory (local/pod-dir.ts) and in the table of processes, so that a restarted server finds all of it again.
 */
import { mkdir, readdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import type { OutsideService } from "../api/breaker.ts";
import type { Driver, PodList, PodSpec, PodUpdate, PodView, StatedTypes } from "./driver.ts";
import { ActivityWatch } from "./local/activity.ts";
import { blockOf, releaseBlock } from "./local/addresses.ts";
import { wordsOf } from "./local/asking.ts";
import { Capacity } from "./local/capacity.ts";
import { chooseIsolation } from "./local/choose-isolation.ts";
import {
  abandon,
  checkRuns,
  closeClaim,
  deadlineText,
  isAbandoned,
  readClaim,
  readPort,
} from "./local/control.ts";
import { diskOf, thawDisk, untilReleased } from "./local/disk.ts";
import { GpuWatch } from "./local/gpu-watch.ts";
import { dialPod, viewPod } from "./local/inspect.ts";
import type { Isolation } from "./local/isolation.ts";
import { makePod } from "./local/launch.ts";
import { Machine } from "./local/machine.ts";
import { ABOUT, type About, deliverNotice } from "./local/notice.ts";
import { deviceNodes } from "./local/nvidia.ts";
import { findOpenSsh } from "./local/openssh.ts";
import { Ours } from "./local/ours.ts";
import { gangOf, type Peers } from "./local/peers.ts";
import { control, exists, podDir, volumeOf, writeWhole } from "./local/pod-dir.ts";
import { killAll } from "./local/process-table.ts";
import { keepSaid, readSaid } from "./local/said.ts";
import type { Simulated } from "./local/simulated.ts";
import { Smi } from "./local/smi.ts";
import { checkDeadline, checkKeys, checkNotice, checkSpec } from "./local/spec.ts";
import { keysText } from "./local/sshd-config.ts";
import { removeTree } from "./local/tree.ts";
import { Turns } from "./local/turns.ts";
import { usageOf } from "./local/usage.ts";

export interface LocalDriverOptions {
  /** Pods live in `<dataDir>/pods/<name>`. */
  readonly dataDir: string;
  /** Only pods that carry this id are listed and touched. */
  readonly deploymentId: string;
  /** "auto" takes namespaces where they really work, else plain processes (one trust domain). */
  readonly isolation: "auto" | "namespaces" | "processes";
  /** GPUs that only exist for demonstrations and tests. */
  readonly simulate: readonly Simulated[];
  /** Types without GPUs and slices, as the operator states them; asked each time, since they may change. */
  readonly stated?: () => StatedTypes;
  /** Default "nvidia-smi". */
  readonly nvidiaSmi?: string;
  /** Longest reservation in seconds; default 48 h with GPUs, 7 days for `cpu`. */
  readonly maxDurationS?: number;
  /** Paths that no pod may see, beside the data directory, /root and /home. */
  readonly mask?: readonly string[];
  log(fields: Record<string, unknown>, message: string): void;
}

/** A driver for this machine. Throws DriverError when the isolation asked for is not possible here, Problem for bad options. */
export async function createLocalDriver(options: LocalDriverOptions): Promise<Driver> {
  await mkdir(join(options.dataDir, "pods"), { recursive: true, mode: 0o700 });
  const dataDir = await realpath(options.dataDir);
  const smi = new Smi(options.nvidiaSmi ?? "nvidia-smi");
  const capacity = new Capacity({ ...options, dataDir, smi });
  await capacity.check();
  const isolation = await chooseIsolation(options, dataDir);
  return new LocalDriver({ ...options, dataDir }, isolation, capacity, new GpuWatch(smi));
}

class LocalDriver implements Driver {
  readonly name = "local";
  readonly isolation: "namespaces" | "processes";
  readonly sshUser: string;
  readonly #options: LocalDriverOptions;
  readonly #isolation: Isolation;
  readonly #capacity: Capacity;
  readonly #pods: string;
  readonly #gpus: GpuWatch;
  readonly #activity: ActivityWatch;
  readonly #turns = new Turns();
  readonly #launching = new Set<string>();
  readonly #ours: Ours;
  readonly #machine: Machine;
  readonly places: readonly OutsideService[];

  constructor(options: LocalDriverOptions, isolation: Isolation, capacity: Capacity, gpus: GpuWatch) {
    this.#options = options;
    this.#isolation = isolation;
    this.#capacity = capacity;
    this.#gpus = gpus;
    this.#activity = new ActivityWatch(gpus);
    this.#pods = join(options.dataDir, "pods");
    this.#ours = new Ours({ ...options, pods: this.#pods });
    this.#machine = new Machine(options);
    this.places = [this.#machine];
    this.isolation = isolation.kind;
    this.sshUser = isolation.sshUser;
  }

  capacity() {
    return this.#machine.ask(() => this.#capacity.nodes());
  }

  launch(spec: PodSpec): Promise<void> {
    return this.#turns.take(spec.name, async () => {
      this.#launching.add(spec.name);
      try {
        await this.#machine.ask(() => this.#launch(spec));
      } finally {
        this.#launching.delete(spec.name);
      }
    });
  }

  async #launch(spec: PodSpec): Promise<void> {
    checkSpec(spec);
    await this.#ours.check(spec.name);
    const dir = podDir(this.#pods, spec.name);
    if ((await readClaim(dir)) !== "unclaimed" && !(await isAbandoned(dir))) return;
    const openSsh = await findOpenSsh();
    const { visible, gpus } = await this.#capacity.share(spec);
    const devices = await deviceNodes(gpus);
    // What a server that was killed in the middle left is not finished but made again.
    await abandon(dir);
    await this.#remove(dir);
    const { deploymentId, dataDir } = this.#options;
    const disk = await diskOf(spec, dataDir, this.#isolation);
    try {
      const isolation = this.#isolation;
      const peers = await this.#peersOf(spec);
      await makePod({ dir, spec, isolation, openSsh, deploymentId, visible, devices, peers, disk });
    } catch (error) {
      await this.#takeBack(spec.name, dir);
      throw error;
    }
  }

  /** What cannot be taken away now is no pod all the same, and goes before the next launch or with terminate. */
  async #takeBack(name: string, dir: string): Promise<void> {
    try {
      await abandon(dir);
      await this.#remove(dir);
    } catch (error) {
      const fault = wordsOf(error);
      this.#options.log({ pod: name, fault }, "what a failed launch left is not taken away yet");
    }
  }

  /** Each pod of a gang finds the others by the block of addresses that the gang has on this machine. */
  async #peersOf({ name, gang }: PodSpec): Promise<Peers | undefined> {
    const key = gangOf(name);
    if (!gang || key === undefined) return undefined;
    const block = await this.#turns.take(`gang ${key}`, () => blockOf(this.#options.dataDir, key));
    return { gang, block };
  }

  async inspect(name: string, { activity = false } = {}): Promise<PodView> {
    const launching = this.#launching.has(name);
    const view = await this.#machine.ask(() => viewPod(podDir(this.#pods, name)));
    if (view.state === "running") await this.#machine.ask(() => thawDisk(podDir(this.#pods, name)));
    if (view.state === "absent" && launching) return { state: "starting", reason: "it is being set up" };
    if (view.state !== "running" || !activity) return view;
    return { ...view, activity: await this.#machine.ask(() => this.#activity.of(podDir(this.#pods, name))) };
  }

  update(name: string, change: PodUpdate): Promise<void> {
    return this.#turns.take(name, () => this.#machine.ask(() => this.#update(name, change)));
  }

  async #update(
    name: string,
    { deadlineS, authorizedKeys, endNotice, idleNotice }: PodUpdate,
  ): Promise<void> {
    const dir = podDir(this.#pods, name);
    await checkRuns(dir);
    if (deadlineS !== undefined) {
      checkDeadline(deadlineS);
      await writeWhole(control(dir, "deadline"), deadlineText(deadlineS));
    }
    if (authorizedKeys !== undefined) {
      checkKeys(authorizedKeys);
      const text = keysText(authorizedKeys, this.#isolation.session(dir));
      await writeWhole(control(dir, "authorized_keys"), text, 0o644);
    }
    await this.#tell(dir, "end", endNotice);
    await this.#tell(dir, "idle", idleNotice);
  }

  async #tell(dir: string, about: About, notice: string | undefined): Promise<void> {
    if (notice === undefined) return;
    checkNotice(notice);
    const fault = await deliverNotice(dir, about, notice, () => this.#isolation.terminals(dir));
    if (fault !== undefined)
      this.#options.log({ pod: basename(dir), fault }, "a notice is not in the pod's home");
  }

  terminate(name: string): Promise<void> {
    return this.#turns.take(name, () => this.#machine.ask(() => this.#terminate(name)));
  }

  async #terminate(name: string): Promise<void> {
    const dir = podDir(this.#pods, name);
    await this.#ours.check(name);
    // On a disk it would stay.
    if ((await readClaim(dir)) === "alive" && (await volumeOf(dir)) !== undefined)
      for (const about of ABOUT) await this.#tell(dir, about, "");
    await this.#remove(dir);
    const gang = gangOf(name);
    if (gang !== undefined) await this.#turns.take(`gang ${gang}`, () => this.#leave(gang));
  }

  /** The last of a gang gives the addresses back. */
  async #leave(gang: string): Promise<void> {
    const pods = await readdir(this.#pods);
    if (!pods.some((name) => gangOf(name) === gang)) await releaseBlock(this.#options.dataDir, gang);
  }

  /** In this order a crash between any two steps leaves what the next terminate finishes. */
  async #remove(dir: string): Promise<void> {
    if (!(await exists(dir))) return;
    // Who waits for what is held still cannot be killed.
    if ((await readPort(dir)) !== undefined && (await readClaim(dir)) === "alive") await thawDisk(dir);
    await closeClaim(dir);
    await killAll(dir);
    await untilReleased(dir);
    const fault = await keepSaid(this.#options.dataDir, dir);
    if (fault !== undefined)
      this.#options.log({ pod: basename(dir), fault }, "what the pod said is not kept");
    await removeTree(dir);
  }

  list(): Promise<PodList> {
    return this.#machine.ask(async () => ({ pods: await this.#ours.list(), unasked: [] }));
  }

  dial(name: string, port: number) {
    return this.#machine.ask(() => dialPod(podDir(this.#pods, name), port));
  }

  logs(name: string, after = 0) {
    return this.#machine.ask(() => readSaid(this.#options.dataDir, podDir(this.#pods, name), after));
  }

  usage(name: string) {
    return this.#machine.ask(async () => {
      const dir = podDir(this.#pods, name);
      await checkRuns(dir);
      return usageOf(dir, this.#gpus);
    });
  }

  /** Pods go on; only what is in hand is waited for. */
  close(): Promise<void> {
    return this.#turns.rest();
  }
}
