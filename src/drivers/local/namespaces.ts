/** Pods in namespaces of their own over an overlay of the host's root: Linux, root, and a kernel that plays along. */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { ENTER_SCRIPT } from "./enter-script.ts";
import type { Isolation } from "./isolation.ts";
import { control, SEARCH_PATH, unlessMissing } from "./pod-dir.ts";
import { podArgument } from "./process-table.ts";
import { terminalsInside } from "./terminals.ts";
import { makeTree, removeTree } from "./tree.ts";

const FIRST_UID = 61_000;
const PROBE = "probe-";
/** A probe takes a tenth of a second; one that is this old is nobody's. */
const OLD_PROBE_MS = 60_000;
const ALWAYS_MASKED = ["/root", "/home"];

/** No network namespace: users install packages and reach data, and nobody has to set up an address. */
const UNSHARE = "unshare --mount --pid --uts --ipc --fork --kill-child --propagation private -- bash".split(
  " ",
);

/** Isolation by namespaces; no pod sees `masked` (the data directory, above all). */
export async function namespaces(masked: readonly string[]): Promise<Isolation> {
  const masks = await Promise.all([...ALWAYS_MASKED, ...masked].map((path) => realPath(resolve(path))));
  if (masks.some((path) => path === "/" || path.includes("\n")))
    throw new DriverError(`pods cannot do without one of these: ${masks.join(", ")}`);
  masks.sort();
  const uid = freeUid(await readFile("/etc/passwd", "utf8"));
  return {
    kind: "namespaces",
    sshUser: "dev",
    directories: ["home", "tmp", "upper", "work", "root"],
    controlInside: () => "/run/gpu-dev",
    environment: () => ({}),
    session: () => undefined,
    files: (devices) => ({ enter: ENTER_SCRIPT, masks: lines(masks), devices: lines(devices) }),
    terminals: terminalsInside,
    command: (dir, hostname) => [...UNSHARE, control(dir, "enter"), podArgument(dir), hostname, String(uid)],
  };
}

/** Why namespaces do not work here, found by making a pod that ends at once; undefined when they do. */
export async function namespaceFault(isolation: Isolation, dataDir: string): Promise<string | undefined> {
  const dir = join(dataDir, `${PROBE}${randomUUID()}`);
  await removeOldProbes(dataDir);
  try {
    await mkdir(dir, { mode: 0o700 });
    await makeTree(dir, isolation, { ...isolation.files([]), init: "exit 0\n" });
    const [command = "", ...args] = isolation.command(dir, "probe");
    // unshare ignores SIGTERM while it waits for its child.
    const limits = { timeout: 20_000, killSignal: "SIGKILL" } as const;
    await promisify(execFile)(command, args, { env: { PATH: SEARCH_PATH }, ...limits });
    return undefined;
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string };
    return (stderr?.trim() || message).slice(0, 500);
  } finally {
    await removeTree(dir);
  }
}

/** Those of servers that were killed in the middle. */
async function removeOldProbes(dataDir: string): Promise<void> {
  const probes = (await readdir(dataDir)).filter((name) => name.startsWith(PROBE));
  for (const dir of probes.map((name) => join(dataDir, name))) {
    const made = await unlessMissing(stat(dir));
    if (made !== undefined && made.mtimeMs < Date.now() - OLD_PROBE_MS) await removeTree(dir);
  }
}

/** Links are followed here, because a mount over a link would land outside of the pod's root; the path itself may come later. */
async function realPath(path: string): Promise<string> {
  const real = await unlessMissing(realpath(path));
  return real ?? join(await realPath(dirname(path)), basename(path));
}

/** The first number from 61000 on that no account of the host has. */
function freeUid(passwd: string): number {
  const taken = new Set(passwd.split("\n").map((line) => Number(line.split(":")[2])));
  let uid = FIRST_UID;
  while (taken.has(uid)) uid++;
  return uid;
}

const lines = (items: readonly string[]): string => items.map((item) => `${item}\n`).join("");
