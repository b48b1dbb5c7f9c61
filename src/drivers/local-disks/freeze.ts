/** Holding a mounted file system still while its image is cloned: see fsfreeze(8), and FICLONE in ioctl_ficlone(2). */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { DriverError } from "../driver.ts";
import { SEARCH_PATH } from "../local/pod-dir.ts";

const env = { PATH: SEARCH_PATH, LC_ALL: "C" };

/**
 * `HOME`: tells "still" once nothing is written any more, and thaws when its input ends (with whoever started it), at the latest after
 * two seconds, then with the word "late". Two processes thaw, so that killing one of them leaves nothing frozen: the second one waits,
 * by its pipe to the cat, until the first one and its fsfreeze are gone.
 */
const SCRIPT = `exec 8<"$1" 9<&0
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
exit 0
`;

/** A file that shares its blocks with the other until one of them is written to; throws where that cannot be done. */
export async function clone(from: string, to: string): Promise<void> {
  await promisify(execFile)("cp", ["--reflink=always", "--", from, to], { env });
}

/** Clones the image of the file system that is mounted at `home`; false, and the clone is good for nothing, when it cannot be held still for so long. */
export async function cloneHeldStill(home: string, image: string, to: string): Promise<boolean> {
  // Its input is a socket, on which bash would read what root's sessions begin with, and that may say anything.
  const holder = spawn("bash", ["--norc", "-c", SCRIPT, "bash", home], {
    cwd: "/",
    // It goes on when the server's processes are killed.
    detached: true,
    env,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const closed = once(holder, "close");
  // It thaws by itself when nobody reads or writes any more.
  holder.stdin.on("error", () => undefined);
  holder.stderr.resume();
  const lines = createInterface(holder.stdout)[Symbol.asyncIterator]();
  try {
    if ((await lines.next()).value !== "still") return false;
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
