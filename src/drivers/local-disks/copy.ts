/** Copying a tree by the system's own programs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { SEARCH_PATH } from "../local/pod-dir.ts";
import type { Mood } from "./walk.ts";

const TELL_MS = 200;

/** cp knows reflinks, holes, names of any bytes, links between files, times to the nanosecond, and attributes. */
const ALL = ["-a", "--preserve=xattr", "--reflink=auto", "--sparse=auto"];

export async function copyTree(
  from: string,
  to: string,
  signal: AbortSignal,
  onBytes: (written: number) => void,
  mood: Mood = "quiet",
): Promise<void> {
  const options = (await hasCoreutils()) ? [...ALL, "--"] : ["-a"];
  const copying = start("cp", [...options, ".", to], from);
  const timer = setInterval(() => onBytes(writtenBy(copying.pid)), TELL_MS);
  signal.addEventListener("abort", () => copying.kill("SIGKILL"));
  try {
    await finished(copying, mood);
  } catch (error) {
    throw new Error((error as Error).message.replaceAll(`${to}/./`, "").replaceAll("./", ""), {
      cause: error,
    });
  } finally {
    clearInterval(timer);
  }
}

/** Copies these of the working directory, none of them a directory, over what is there; where there is no cp that can, nothing. */
export async function copyNames(names: readonly Buffer[], to: string, signal: AbortSignal): Promise<void> {
  if (!(await hasCoreutils())) return;
  const copying = start(
    "xargs",
    ["-0", "cp", ...ALL, "--remove-destination", "--parents", "-t", to, "--"],
    ".",
  );
  signal.addEventListener("abort", () => copying.kill("SIGKILL"));
  copying.stdin.end(Buffer.concat(names.flatMap((name) => [name, Buffer.of(0)])));
  await finished(copying, "live");
}

/** Resolves when all of the file system that the tree is on is on the medium. */
export const syncTree = (tree: string): Promise<void> =>
  finished(start("sync", process.platform === "linux" ? ["-f", tree] : [], "/"));

/** Only Linux tells; see proc(5). */
function writtenBy(pid: number | undefined): number {
  if (process.platform !== "linux") return 0;
  try {
    return Number(/^wchar: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0; // It ended.
  }
}

async function hasCoreutils(): Promise<boolean> {
  const asked = spawn("cp", ["--version"], { stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  asked.stdout.on("data", (chunk) => {
    text += chunk;
  });
  await once(asked, "close");
  return text.includes("coreutils");
}

const start = (program: string, args: string[], cwd: string) =>
  spawn(program, args, {
    cwd,
    env: { PATH: SEARCH_PATH, LC_ALL: "C" },
    stdio: ["pipe", "ignore", "pipe"],
  });

/** What cp says of a file that is not what it was a moment ago. */
const VANISHED = /: (?:No such file or directory|Not a directory)$|, as it was replaced while being copied$/;

/** Throws with the first line of what it said, since the others follow from that; in a tree that is written to, what vanished is no fault. */
async function finished(child: ReturnType<typeof start>, mood: Mood = "quiet"): Promise<void> {
  let first: string | undefined;
  child.stdin.on("error", () => undefined);
  createInterface(child.stderr).on("line", (line) => {
    if (mood === "quiet" || !VANISHED.test(line)) first ??= line.slice(0, 2000);
  });
  const [code] = await once(child, "close");
  const vanished = mood === "live" && code !== null && first === undefined;
  if (code !== 0 && !vanished) throw new Error(first || `${child.spawnfile} failed`);
}
