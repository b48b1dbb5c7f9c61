/** What goes on in pods: connections to their sshd, which all come over this machine, and work on their GPUs. Linux only. */
import { readFile } from "node:fs/promises";
import type { Activity } from "../driver.ts";
import { readPort } from "./control.ts";
import { askGpuUse } from "./nvidia.ts";
import { control, readIfThere, unlessMissing } from "./pod-dir.ts";
import type { Smi } from "./smi.ts";

/** All pods are looked at one after the other; the table of connections is read once for that. */
const FRESH_CONNECTIONS_MS = 500;
/** nvidia-smi takes up to seconds. */
const FRESH_GPUS_MS = 5000;
/** What takes longer is not known this time: how the pod is does not wait for it. */
const PATIENCE_MS = 2000;
const LISTENER = "0100007F";
const ESTABLISHED = "01";

export class ActivityWatch {
  readonly #connections = new Cached(connections, FRESH_CONNECTIONS_MS);
  readonly #gpuUse: Cached<ReadonlyMap<string, number> | undefined>;

  constructor(smi: Smi) {
    this.#gpuUse = new Cached(() => askGpuUse(smi), FRESH_GPUS_MS);
  }

  /** Of the pod in `dir`; undefined when it cannot be known. */
  async of(dir: string): Promise<Activity | undefined> {
    const [port, gpus, open] = await Promise.all([
      readPort(dir),
      readIfThere(control(dir, "gpus")),
      this.#connections.get(),
    ]);
    if (port === undefined || gpus === undefined || open === undefined) return undefined;
    const gpuBusy = await this.#isBusy(gpus.split(",").filter((uuid) => uuid.trim() !== ""));
    return gpuBusy === undefined ? undefined : { sessions: open.get(port) ?? 0, gpuBusy };
  }

  async #isBusy(uuids: readonly string[]): Promise<boolean | undefined> {
    if (uuids.length === 0) return false;
    const use = await unlessLate(this.#gpuUse.get(), PATIENCE_MS);
    const percents = uuids.map((uuid) => use?.get(uuid.trim()));
    if (percents.some((percent) => percent === undefined)) return undefined;
    return percents.some((percent) => percent !== 0);
  }
}

/** Open connections by port of this machine, as the side that accepted them has them; see proc_net_tcp in the kernel's documentation. */
async function connections(): Promise<ReadonlyMap<number, number> | undefined> {
  const table = await unlessMissing(readFile("/proc/net/tcp", "utf8"));
  if (table === undefined) return undefined;
  const byPort = new Map<number, number>();
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state] = line.trim().split(/\s+/);
    const [address, hex = ""] = local.split(":");
    if (address !== LISTENER || state !== ESTABLISHED) continue;
    const port = Number.parseInt(hex, 16);
    byPort.set(port, (byPort.get(port) ?? 0) + 1);
  }
  return byPort;
}

/** An answer that is good for some time, asked for once at a time. */
class Cached<T> {
  readonly #ask: () => Promise<T>;
  readonly #freshMs: number;
  #last: { readonly at: number; readonly answer: T } | undefined;
  #asking: Promise<T> | undefined;

  constructor(ask: () => Promise<T>, freshMs: number) {
    this.#ask = ask;
    this.#freshMs = freshMs;
  }

  async get(): Promise<T> {
    if (this.#last && performance.now() - this.#last.at <= this.#freshMs) return this.#last.answer;
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #renew(): Promise<T> {
    const answer = await this.#ask();
    this.#last = { at: performance.now(), answer };
    return answer;
  }
}

/** Undefined when the answer is not there within `ms`; it may still come, and is good for who asks next. */
async function unlessLate<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
