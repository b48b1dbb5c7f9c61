/**
 * The processes of a pod, as the host sees them. They are known by what nobody else has: the argument `--pod=DIR` of the pod's own
 * scripts, the variable GPU_DEV_POD_DIR of its sessions, its log, and its pid namespace. A bare pid is never trusted: pids come again.
 */
import { execFile } from "node:child_process";
import { open, readdir, readlink } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { control } from "./pod-dir.ts";

export const POD_VARIABLE = "GPU_DEV_POD_DIR";
export const podArgument = (dir: string): string => `--pod=${dir}`;

/** How long a killed process may take to be gone; one that waits for a disk takes its time. */
const GONE_MS = 10_000;

/** A process of any pod may have megabytes of arguments, and there may be thousands: what is ours stands near the beginning. */
const HEAD_BYTES = 128 * 1024;
const AT_ONCE = 16;

/** On a busy machine a process may be stopped in the middle of its exec. */
const EXEC_TRIES = 50;
const EXEC_MS = 10;

/** Whether `pid` is alive and one of the scripts of the pod in `dir`. */
export async function isScriptOf(pid: number, dir: string): Promise<boolean> {
  if (process.platform === "linux") return hasArgument(await argumentsOf(pid), dir);
  return (await processList()).some((p) => p.pid === pid && p.command.includes(` ${podArgument(dir)} `));
}

/** While a process becomes another program it has no arguments for a moment; one that keeps none is a zombie, or the kernel's. */
async function argumentsOf(pid: number): Promise<string | undefined> {
  for (let tries = 0; ; tries++) {
    const cmdline = await ofProcess(pid, "cmdline");
    if (cmdline !== "" || tries === EXEC_TRIES || !(await isLive(pid))) return cmdline;
    await delay(EXEC_MS);
  }
}

/** Kills all processes of the pod in `dir`; resolves when none is left, throws DriverError when some do not go. */
export async function killAll(dir: string): Promise<void> {
  const end = Date.now() + GONE_MS;
  const namespaces = new Set<string>();
  for (;;) {
    const pids = await processesOf(dir, namespaces);
    if (pids.length === 0) return;
    if (Date.now() > end) throw new DriverError(`processes ${pids.join(", ")} of the pod do not end`);
    for (const pid of pids) kill(pid);
    await delay(5);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    // It ended by itself between the look and the signal.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Live processes of the pod in `dir`. Pid namespaces that turn out to be its own are added to `namespaces`. */
export async function processesOf(dir: string, namespaces = new Set<string>()): Promise<number[]> {
  if (process.platform !== "linux") return listedProcessesOf(dir);
  const host = await readlink("/proc/self/ns/pid");
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const marked = await keep(pids, (pid) => isMarked(pid, dir));
  for (const pid of marked) {
    const namespace = await namespaceOf(pid);
    if (namespace !== undefined && namespace !== host) namespaces.add(namespace);
  }
  if (namespaces.size === 0) return marked;
  return keep(pids, async (pid) => marked.includes(pid) || isWithin(pid, namespaces));
}

async function isMarked(pid: number, dir: string): Promise<boolean> {
  if (hasArgument(await ofProcess(pid, "cmdline"), dir)) return true;
  const environment = await ofProcess(pid, "environ");
  if (environment?.split("\0").includes(`${POD_VARIABLE}=${dir}`)) return true;
  // sshd writes its title over its environment, but its errors still go to the pod's log.
  return (await unlessGone(readlink(`/proc/${pid}/fd/2`))) === control(dir, "log");
}

/** A namespace's init has no command line any more while it still waits for the rest to die; as a zombie it has done so. */
async function isWithin(pid: number, namespaces: ReadonlySet<string>): Promise<boolean> {
  const namespace = await namespaceOf(pid);
  return namespace !== undefined && namespaces.has(namespace) && isLive(pid);
}

async function isLive(pid: number): Promise<boolean> {
  const stat = await ofProcess(pid, "stat");
  return stat !== undefined && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

const namespaceOf = (pid: number): Promise<string | undefined> => unlessGone(readlink(`/proc/${pid}/ns/pid`));

/** A file of /proc/<pid>, from its beginning; undefined when the process is gone. */
export const ofProcess = (pid: number, file: string): Promise<string | undefined> =>
  unlessGone(headOf(`/proc/${pid}/${file}`));

async function headOf(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(HEAD_BYTES));
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Undefined for a process that ended, and for those of other users, none of which is of a pod. */
async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "EACCES" || code === "EPERM") return undefined;
    throw error;
  }
}

const hasArgument = (cmdline: string | undefined, dir: string): boolean =>
  cmdline?.split("\0").includes(podArgument(dir)) ?? false;

async function keep<T>(items: readonly T[], test: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = [];
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const some = items.slice(from, from + AT_ONCE);
    const fits = await Promise.all(some.map(test));
    kept.push(...some.filter((_, i) => fits[i]));
  }
  return kept;
}

async function listedProcessesOf(dir: string): Promise<number[]> {
  const marks = [` ${podArgument(dir)} `, ` ${POD_VARIABLE}=${dir} `];
  const list = await processList();
  return list.filter((p) => marks.some((mark) => p.command.includes(mark))).map((p) => p.pid);
}

/** Where there is no /proc: command lines with their environments, between spaces. */
async function processList(): Promise<{ pid: number; command: string }[]> {
  const { stdout } = await promisify(execFile)("ps", ["-axEww", "-o", "pid=", "-o", "command="], {
    maxBuffer: 64 << 20,
    timeout: 10_000,
  });
  return stdout.split("\n").flatMap((line) => {
    const parts = /^\s*(\d+) (.*)$/.exec(line);
    return parts ? [{ pid: Number(parts[1]), command: ` ${parts[2] ?? ""} ` }] : [];
  });
}
