/** Who has a disk: a lock on its directory, which the kernel ends with the processes of the pod or of the work that has it. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { type FileHandle, open, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { exists, SEARCH_PATH, unlessMissing } from "../local/pod-dir.ts";
import { imageOf } from "./layout.ts";

/**
 * Takes the lock on a file descriptor, for scripts of bash. Tries for two seconds: who only looks (isBusy) has it for a moment. Where
 * there is no flock there is no second server either.
 */
export const LOCK_FUNCTION = `lock() {
  local tries=0
  command -v flock >/dev/null || return 0
  until flock -n "$1"; do
    [ $((tries += 1)) -lt 20 ] || return 1
    sleep 0.1
  done
}`;
/** What flock exits with when somebody else has the lock, everywhere. */
const TAKEN = 1;
/** Who only looks has the lock for a moment. */
const LOOK_S = 2;
const DETACH_MS = 30_000;
const POLL_MS = 10;

const run = (program: string, args: readonly string[]) =>
  promisify(execFile)(program, args, { env: { PATH: SEARCH_PATH, LC_ALL: "C" } });

export const inUse = (): DriverError =>
  new DriverError("the disk is in use by a pod, or by other work on it");

/** Whether a pod, or work on it, has the volume now; those who only ask are not in each other's way. */
export async function isBusy(volume: string): Promise<boolean> {
  try {
    await run("flock", ["-s", "-n", volume, "true"]);
    return false;
  } catch (cause) {
    const { code } = cause as { code?: unknown };
    if (code === TAKEN) return true;
    if (code === "ENOENT") return false;
    throw new DriverError("nobody can tell whether the disk is in use", { cause });
  }
}

/**
 * Takes the lock on a directory, which is kept until the handle is closed and the processes that inherited it have ended. Undefined
 * when somebody else has it, or the directory is no longer there.
 */
export async function hold(directory: string): Promise<FileHandle | undefined> {
  const file = await unlessMissing(open(directory));
  if (file === undefined) return undefined;
  try {
    if ((await lock(file)) && (await isAt(file, directory))) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return undefined;
}

/** A lock is of the open file (flock(2)): this process has it when a child took it on a descriptor that it inherited. */
async function lock(file: FileHandle): Promise<boolean> {
  const child = spawn("flock", ["-w", String(LOOK_S), "3"], {
    env: { PATH: SEARCH_PATH, LC_ALL: "C" },
    stdio: ["ignore", "ignore", "ignore", file.fd],
  });
  try {
    const [code] = await once(child, "close");
    if (code === 0 || code === TAKEN) return code === 0;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
  }
  throw new DriverError("nobody can tell whether the disk is in use");
}

/** It may have been renamed before the lock was taken. */
async function isAt(file: FileHandle, path: string): Promise<boolean> {
  const [held, there] = await Promise.all([file.stat(), unlessMissing(stat(path))]);
  return there !== undefined && held.ino === there.ino && held.dev === there.dev;
}

/**
 * Resolves once nobody has the image of a volume mounted, if it has one: the last process of a pod is gone a moment before its mounts
 * are. Also when somebody else has the volume by now.
 */
export async function untilDetached(volume: string): Promise<void> {
  const image = imageOf(volume);
  if (!(await exists(image))) return;
  for (const end = Date.now() + DETACH_MS; ; await delay(POLL_MS)) {
    const { stdout } = await run("losetup", ["--associated", image, "--noheadings", "--output", "NAME"]);
    if (stdout.trim() === "" || (await isBusy(volume))) return;
    if (Date.now() > end) throw new DriverError(`the disk is still mounted after ${DETACH_MS / 1000} s`);
  }
}
