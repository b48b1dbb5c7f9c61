/** Work on trees of files, in a process of its own: under a lock on the disks concerned, and with their images mounted for it alone. */
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DiskRefused, type DiskUse, type Progress, type SnapshotUse } from "../disks.ts";
import { DriverError } from "../driver.ts";
import { exists, SEARCH_PATH } from "../local/pod-dir.ts";
import type { Made } from "./attempts.ts";
import { MOUNT_OPTIONS } from "./image.ts";
import { imageOf } from "./layout.ts";
import { inUse, isBusy, LOCK_FUNCTION, untilDetached } from "./lock.ts";
import { HERE_MS } from "./silence.ts";

/** The directories that a job works in. */
export interface Needs {
  /** Of which no pod, and no other work, may have any. */
  readonly volumes: readonly string[];
  /** That this server has locked already. */
  readonly held?: readonly Made[];
}

export interface Job {
  readonly from: string;
  /** An empty directory to copy to; without it, `from` is only measured. */
  readonly to?: string;
  /** A pod writes to `from` meanwhile. */
  readonly live?: true;
  /** The one that does, where it can be seen from here; nothing of the copy counts once it has ended. */
  readonly pod?: { readonly pid: number; readonly dir: string };
  /** It is of one instant of a disk that a pod has. */
  readonly still?: true;
  /** A list (tree-list.ts) that the copy has to agree with, instead of with `from`. */
  readonly against?: string;
  /** The directory that gets the list and use.json. */
  readonly records?: string;
  /** Renamed when all of it is on the medium and the server agrees, while the volumes are still locked. */
  readonly publish?: { readonly made: string; readonly place: string };
}

type Result = { readonly use: SnapshotUse } | { readonly fault: string; readonly lasting: boolean };
/** `made`: all of it, and now it waits until the server agrees. */
export type Told = Result | { readonly done: number; readonly total?: number } | { readonly made: DiskUse };

/** What the server tells a job, a line each. */
export const SAYS = { here: "here\n", agreed: "agreed\n" } as const;

/** Beside dist/main.js once it is bundled. */
const WORKER = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./disk-worker.js", import.meta.url),
);
const BUSY = 75;
const CANNOT_MOUNT = 76;

/** `VOLUME… -- HELD… -- COMMAND…`: the command inherits the locks, so that they end with it. */
const SCRIPT = `set -eu
${LOCK_FUNCTION}
mounted() {
  [ ! -e "$1/image" ] || mount -o ${MOUNT_OPTIONS} "$1/image" "$1/mnt" || exit ${CANNOT_MOUNT}
}
fd=7
while [ "$1" != -- ]; do
  eval "exec $fd<\\"\\$1\\""
  lock $fd || exit ${BUSY}
  mounted "$1"
  fd=$((fd + 1))
  shift
done
shift
while [ "$1" != -- ]; do
  mounted "$1"
  shift
done
shift
exec nice -n 10 "$@"
`;

/** Where standard input is a socket, which Node's pipes are, bash would read what root's sessions begin with. */
const BASH = ["bash", "--norc", "-c"];

/** What is mounted in it, and all of its processes, go with its first process, and that goes with unshare. */
const UNSHARE = "unshare --mount --pid --fork --kill-child --mount-proc --propagation private --".split(" ");

export async function runJob(job: Job, needs: Needs, progress?: Progress): Promise<DiskUse> {
  progress?.signal?.throwIfAborted();
  const worker = await inside(needs, [process.execPath, WORKER, JSON.stringify(job)]);
  const stop = () => end(worker);
  progress?.signal?.addEventListener("abort", stop);
  // It may end at any moment.
  worker.stdin.on("error", () => undefined);
  const here = setInterval(() => worker.stdin.write(SAYS.here), HERE_MS);
  // While the process was being started nobody listened.
  if (progress?.signal?.aborted) stop();
  try {
    const [result, [code]] = await Promise.all([resultOf(worker, progress), once(worker, "close")]);
    progress?.signal?.throwIfAborted();
    if (result === undefined) throw exitFault(code, worker.said(), needs);
    if ("fault" in result)
      throw result.lasting ? new DiskRefused(result.fault) : faultOf(result.fault, needs);
    return result.use;
  } catch (error) {
    // When it was killed, what it started may still be there.
    end(worker);
    throw error;
  } finally {
    clearInterval(here);
    progress?.signal?.removeEventListener("abort", stop);
  }
}

/** What the worker told last, if it got that far. */
async function resultOf(worker: Inside, progress?: Progress): Promise<Result | undefined> {
  let result: Result | undefined;
  for await (const line of createInterface(worker.stdout)) {
    const told: Told = JSON.parse(line);
    if ("done" in told) progress?.(told.done, told.total);
    else if ("made" in told) await agree(worker, told.made, progress);
    else result = told;
  }
  return result;
}

/** A copy can be done before it told of anything: who stops it at what it told last does not want it either. */
async function agree(worker: Inside, { usedBytes }: DiskUse, progress?: Progress): Promise<void> {
  progress?.(usedBytes, usedBytes);
  progress?.signal?.throwIfAborted();
  await progress?.confirm?.();
  worker.stdin.write(SAYS.agreed);
}

/** Runs a program; throws with what it said when it fails. */
export async function runInside(needs: Needs, command: readonly string[]): Promise<void> {
  const child = await inside(needs, command);
  child.stdout.resume();
  const [code] = await once(child, "close");
  if (code !== 0) throw exitFault(code, child.said(), needs);
}

type Inside = ChildProcessWithoutNullStreams & { readonly said: () => string };

async function inside({ volumes, held = [] }: Needs, command: readonly string[]): Promise<Inside> {
  const made = held.map(({ path }) => path);
  const images = await imagesOf([...volumes, ...made]);
  if ((await Promise.all(volumes.map(isBusy))).includes(true)) throw inUse();
  await Promise.all(volumes.map(untilDetached));
  const [program = "", ...args] = [...(images.length > 0 ? UNSHARE : []), ...BASH, SCRIPT, "bash"];
  const child = spawn(program, [...args, ...volumes, "--", ...made, "--", ...command], {
    cwd: "/",
    // A group of its own, so that all of it can be killed.
    detached: true,
    env: { PATH: SEARCH_PATH, LC_ALL: "C" },
    stdio: ["pipe", "pipe", "pipe", ...held.map(({ lock }) => lock.fd)],
  }) as ChildProcessWithoutNullStreams;
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said = (said + chunk).slice(-2000);
  });
  return Object.assign(child, { said: () => said.trim() });
}

async function imagesOf(volumes: readonly string[]): Promise<string[]> {
  const images = volumes.map(imageOf);
  const there = await Promise.all(images.map(exists));
  return images.filter((_, i) => there[i]);
}

function end({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function exitFault(code: number | null, said: string, needs: Needs): Error {
  if (code === BUSY) return inUse();
  return faultOf(code === CANNOT_MOUNT ? `the disk cannot be mounted: ${said}` : said, needs);
}

/** The first line, since the others follow from it, without the server's paths: users read it. */
function faultOf(said: string, { volumes, held = [] }: Needs): DriverError {
  const places = [...volumes, ...held.map(({ path }) => path)];
  const words = places.reduce((text, volume) => text.replaceAll(volume, "disk"), said.split("\n")[0] ?? "");
  return new DriverError(words || "the process that works on the disk was killed");
}
