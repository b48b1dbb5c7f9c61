/** Holding a mounted file system still while its image is cloned: see fsfreeze(8), and FICLONE in ioctl_ficlone(2). */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { SEARCH_PATH } from "../local/pod-dir.ts";

const env = { PATH: SEARCH_PATH, LC_ALL: "C" };

/** It could not be written down so fast: then it is copied while it is being written to. */
const STILL_MS = 10_000;
/** Of flock(1), for a lock that somebody has. */
const TAKEN = 75;

/**
 * `HOME MARK`: tells "still" once nothing is written any more, and thaws when its input ends (with whoever started it), at the latest after
 * two seconds, then with the word "late". Two processes thaw, so that killing one of them leaves nothing frozen: the second one waits,
 * by its pipe to the cat, until the first one and its fsfreeze are gone. When all of them are killed, the mark is left without a lock
 * on it, and the driver thaws (thawAbandoned).
 */
const SCRIPT = `exec 7>"$2" 8<"$1" 9<&0
flock -n 7 || exit 0
trap '' HUP INT TERM PIPE
sync -f /proc/self/fd/8
{
  if fsfreeze --freeze /proc/self/fd/8; then
    echo still
    read -r -t 2 -u 9
    [ $? -le 1 ] || late=late
    fsfreeze --unfreeze /proc/self/fd/8
    [ -z "\${late-}" ] || echo late
  fi
} | cat
fsfreeze --unfreeze /proc/self/fd/8 2>/dev/null
rm -f "$2"
`;

/** A file that shares its blocks with the other until one of them is written to; throws where that cannot be done. */
async function clone(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["--reflink=always", "--", from, to], { env });
}

/** Found by trying it with a small file. */
export async function sharesBlocks(directory: string): Promise<boolean> {
  const [probe, copy] = [join(directory, "probe"), join(directory, "probe-2")];
  await writeFile(probe, "shared?");
  const shared = await clone(probe, copy).then(
    () => true,
    () => false,
  );
  for (const file of [probe, copy]) await rm(file, { force: true });
  return shared;
}

/** Beside the image, while its file system is held still, with a lock of those who hold it. */
export const markOf = (volume: string): string => join(volume, "still");

/** Lets go what was held still by processes that were all killed; who holds it still now is left alone. */
export async function thawAbandoned(home: string, mark: string): Promise<void> {
  const script = 'fsfreeze --unfreeze "$1"; rm -f "$2"';
  const thaw = ["bash", "--norc", "-c", script, "bash", home, mark];
  await promisify(execFile)("flock", ["-n", "-E", String(TAKEN), mark, ...thaw], { env }).catch(unlessTaken);
}

function unlessTaken(error: { readonly code?: unknown }): void {
  if (error.code !== TAKEN) throw error;
}

interface Still {
  readonly home: string;
  readonly image: string;
  readonly to: string;
  readonly mark: string;
}

/** Clones the image of the file system that is mounted at `home`; false, and the clone is good for nothing, when it cannot be held still for so long. */
export async function cloneHeldStill({ home, image, to, mark }: Still, stillMs = STILL_MS): Promise<boolean> {
  // Its input is a socket, on which bash would read what root's sessions begin with, and that may say anything.
  const holder = spawn("bash", ["--norc", "-c", SCRIPT, "bash", home, mark], {
    cwd: "/",
    // It goes on when the server's processes are killed.
    detached: true,
    env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const closed = once(holder, "close");
  // Who has not waited for it by then has returned.
  closed.catch(() => undefined);
  // It thaws by itself when nobody reads or writes any more.
  holder.stdin.on("error", () => undefined);
  holder.stderr.resume();
  const lines = createInterface(holder.stdout)[Symbol.asyncIterator]();
  try {
    if ((await within(lines.next(), stillMs))?.value !== "still") return false;
    await clone(image, to);
  } catch (cause) {
    throw new DriverError("the disk could not be cloned", { cause });
  } finally {
    holder.stdin.end();
  }
  const late = (await lines.next()).value === "late";
  await closed;
  return !late;
}

/** Undefined when it takes longer; nobody can end a process that waits for a medium. */
async function within<T>(waiting: Promise<T>, ms: number): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([waiting, pause(ms, undefined, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}
