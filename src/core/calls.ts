/** Calls of the driver and of the disks: each is timed and traced; one that fails or does not answer is told. */
import { type DiskHosts, DiskRefused } from "../drivers/disks.ts";
import { type Driver, LaunchRefused } from "../drivers/driver.ts";
import type { Core } from "./core.ts";
import { DRIVER_MS } from "./pods/pod.ts";

const DRIVER_VERBS = [
  "capacity",
  "launch",
  "inspect",
  "update",
  "terminate",
  "list",
  "dial",
  "logs",
  "usage",
] as const;
const DISK_VERBS = [
  "create",
  "snapshot",
  "restore",
  "clone",
  "resize",
  "measure",
  "contents",
  "remove",
  "list",
  "quarantine",
  "expireQuarantine",
  "discardHalfMade",
  "room",
] as const;

/** What a call is named where it is counted. */
export const CALLS: readonly string[] = [...DRIVER_VERBS, ...DISK_VERBS.map(diskCall)];

/** "late": it had not answered after 30 s, whatever came then. */
export const CALL_FAULTS = ["failed", "late"] as const;
export type CallFault = (typeof CALL_FAULTS)[number];

type Watcher = Pick<Core, "signals" | "trace">;

export const watchDriver = (driver: Driver, watcher: Watcher): Driver =>
  around(driver, DRIVER_VERBS, (verb, call) => watched(watcher, verb, call, DRIVER_MS));

/** Copies may take hours, so that none of these is late. */
export const watchDisks = (hosts: DiskHosts, watcher: Watcher): DiskHosts => ({
  limits: hosts.limits,
  names: hosts.names,
  on: (host) => around(hosts.on(host), DISK_VERBS, (verb, call) => watched(watcher, diskCall(verb), call)),
});

function diskCall(verb: string): string {
  return `disk_${verb.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;
}

/** `target`, with `watch` around each call of these verbs. */
function around<T extends object, V extends string & keyof T>(
  target: T,
  verbs: readonly V[],
  watch: (verb: V, call: () => Promise<unknown>) => Promise<unknown>,
): T {
  return new Proxy(target, {
    get(_target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== "function") return member;
      const method = member.bind(target) as (...given: unknown[]) => Promise<unknown>;
      const verb = verbs.find((each) => each === key);
      return verb === undefined ? method : (...given: unknown[]) => watch(verb, () => method(...given));
    },
  });
}

async function watched(
  { signals, trace }: Watcher,
  verb: string,
  call: () => Promise<unknown>,
  lateMs?: number,
): Promise<unknown> {
  const began = performance.now();
  let fault: CallFault = "failed";
  const tell = () => signals.emit("fault", verb, fault);
  const late = () => {
    fault = "late";
    tell();
  };
  const timer = lateMs === undefined ? undefined : setTimeout(late, lateMs).unref();
  try {
    return await trace(`driver ${verb}`, {}, call);
  } catch (error) {
    if (fault === "failed" && !isRefusal(error)) tell();
    throw error;
  } finally {
    clearTimeout(timer);
    signals.emit("called", verb, performance.now() - began);
  }
}

const isRefusal = (error: unknown): boolean => error instanceof LaunchRefused || error instanceof DiskRefused;
