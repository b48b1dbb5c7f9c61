/** Who has a disk: a lock on its directory, which the kernel ends with the processes of the pod or of the work that has it. */
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { exists, SEARCH_PATH } from "../local/pod-dir.ts";
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
