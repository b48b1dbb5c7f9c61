/** Disks on another machine: what is asked for is done by an agent there, which is started when there is something to do. */
import type { DiskEngine, Progress } from "../disks.ts";
import type { AgentLink } from "./link.ts";
import type { Answer, Arguments, Verb } from "./protocol.ts";

export interface RemoteDisksOptions {
  /** Starts an agent. Throws DriverError. */
  readonly start: () => Promise<AgentLink>;
  /** Resolves while the pod runs there with the disk as its home. Throws DriverError when it does not, or nobody can tell. */
  readonly requirePod: (pod: string, disk: string) => Promise<void>;
  /** An agent that nobody has asked anything for so long is ended. */
  readonly idleMs?: number;
}

const IDLE_MS = 30_000;

export class RemoteDisks implements DiskEngine {
  static readonly limits = {
    enforced: false,
    how: "not enforced: the disks of a Docker host share one volume",
  };
  readonly limits = RemoteDisks.limits;
  readonly #options: RemoteDisksOptions;
  #link: Promise<AgentLink> | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: RemoteDisksOptions) {
    this.#options = options;
  }

  create(disk: string, sizeBytes: number, progress?: Progress) {
    return this.#ask("create", [disk, sizeBytes], progress);
  }

  /** Whether the pod has the disk is looked at before and afterwards: between the two nobody else can have had it. */
  async snapshot(disk: string, snapshot: string, progress: Progress, pod?: string) {
    if (pod === undefined) return this.#ask("snapshot", [disk, snapshot, false], progress);
    const { requirePod } = this.#options;
    await requirePod(pod, disk);
    const confirm = async (): Promise<void> => {
      await requirePod(pod, disk);
      await progress.confirm?.();
    };
    const told = (done: number, total: number | undefined): void => progress(done, total);
    const checked: Progress = Object.assign(told, { ...signalOf(progress), confirm });
    return this.#ask("snapshot", [disk, snapshot, true], checked);
  }

  restore(snapshot: string, target: string, sizeBytes: number, progress: Progress) {
    return this.#ask("restore", [snapshot, target, sizeBytes], progress);
  }

  clone(source: string, target: string, sizeBytes: number, progress: Progress) {
    return this.#ask("clone", [source, target, sizeBytes], progress);
  }

  resize(disk: string, sizeBytes: number, progress?: Progress) {
    return this.#ask("resize", [disk, sizeBytes], progress);
  }

  measure(disk: string) {
    return this.#ask("measure", [disk]);
  }

  contents(...args: Arguments<"contents">) {
    return this.#ask("contents", args);
  }

  remove(...args: Arguments<"remove">) {
    return this.#ask("remove", args);
  }

  list() {
    return this.#ask("list", []);
  }

  quarantine(id: string) {
    return this.#ask("quarantine", [id]);
  }

  expireQuarantine(olderThanS: number) {
    return this.#ask("expireQuarantine", [olderThanS]);
  }

  discardHalfMade(name: string) {
    return this.#ask("discardHalfMade", [name]);
  }

  room() {
    return this.#ask("room", []);
  }

  /** Makes a disk ready to be a pod's home. Throws LaunchRefused when the pod cannot have it (D-02). */
  attach(disk: string): Promise<void> {
    return this.#ask("attach", [disk]);
  }

  /** Ends the agent, if there is one; one that is being started ends when it is there, which is not waited for. */
  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const link = this.#link;
    this.#link = undefined;
    void link?.then((open) => open.end(), noLink);
  }

  async #ask<V extends Verb>(verb: V, args: Arguments<V>, progress?: Progress): Promise<Answer<V>> {
    const link = await this.#open();
    clearTimeout(this.#idle);
    try {
      return await link.ask(verb, args, progress);
    } finally {
      this.#rest(link);
    }
  }

  /** The one that there is, or another one when that is gone. */
  async #open(): Promise<AgentLink> {
    const last = this.#link;
    if (last && (await last.then((link) => link.open, noLink))) return last;
    // Somebody else may have been quicker.
    if (!this.#link || this.#link === last) this.#link = this.#options.start();
    return this.#link;
  }

  #rest(link: AgentLink): void {
    if (link.pending > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => link.pending === 0 && link.end(), this.#options.idleMs ?? IDLE_MS).unref();
  }
}

/** It could not be started, which whoever asked for it was told. */
const noLink = (): false => false;

const signalOf = ({ signal }: Progress): { signal?: AbortSignal } => (signal ? { signal } : {});
