/** Copying a tree by the system's own programs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { SEARCH_PATH } from "../local/pod-dir.ts";

const TELL_MS = 200;

/** cp knows reflinks, holes, names of any bytes, links between files, times to the nanosecond, and attributes. */
export async function copyTree(
  from: string,
  to: string,
  signal: AbortSignal,
  onBytes: (written: number) => void,
): Promise<void> {
  const options = (await hasCoreutils())
    ? ["-a", "--preserve=xattr", "--reflink=auto", "--sparse=auto", "--"]
    : ["-a"];
  const copying = start("cp", [...options, ".", to], from);
  const timer = setInterval(() => onBytes(writtenBy(copying.pid)), TELL_MS);
  signal.addEventListener("abort", () => copying.kill("SIGKILL"));
  try {
    await finished(copying);
  } catch (error) {
    throw new Error((error as Error).message.replaceAll(`${to}/./`, "").replaceAll("./", ""), {
      cause: error,
    });
  } finally {
    clearInterval(timer);
  }
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
    stdio: ["ignore", "ignore", "pipe"],
  });

/** Throws with the first line of what it said: the others follow from that. */
async function finished(child: ReturnType<typeof start>): Promise<void> {
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    said = (said + chunk).slice(0, 2000);
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(said.split("\n")[0] || `${child.spawnfile} failed`);
}
