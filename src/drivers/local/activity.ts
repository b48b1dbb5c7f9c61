/** What goes on in pods: connections to their sshd, which all come over this machine, and work on their GPUs. Linux only. */
import { readFile } from "node:fs/promises";
import type { Activity } from "../driver.ts";
import { Cached } from "./cached.ts";
import { readPort } from "./control.ts";
import type { GpuWatch } from "./gpu-watch.ts";
import { unlessMissing } from "./pod-dir.ts";

/** All pods are looked at one after the other; the table of connections is read once for that. */
const FRESH_CONNECTIONS_MS = 500;
const FRESH_GPUS_MS = 5000;
const LISTENER = "0100007F";
const ESTABLISHED = "01";

export class ActivityWatch {
  readonly #connections = new Cached(connections);
  readonly #gpus: GpuWatch;

  constructor(gpus: GpuWatch) {
    this.#gpus = gpus;
  }

  /** Of the pod in `dir`; undefined when it cannot be known. */
  async of(dir: string): Promise<Activity | undefined> {
    const [port, gpus, open] = await Promise.all([
      readPort(dir),
      this.#gpus.of(dir, FRESH_GPUS_MS),
      this.#connections.get(FRESH_CONNECTIONS_MS),
    ]);
    if (port === undefined || open === undefined) return undefined;
    if (gpus === undefined || gpus.some(({ busyPercent }) => busyPercent === null)) return undefined;
    const gpuBusy = gpus.some(({ busyPercent }) => busyPercent !== 0);
    return { sessions: open.get(port) ?? 0, gpuBusy };
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
