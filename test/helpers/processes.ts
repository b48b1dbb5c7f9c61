/** What runs on this machine on behalf of a directory. */
import { readdirSync, readFileSync } from "node:fs";

/** Pids of processes whose command line or environment names `text`; those that end meanwhile do not count. */
export function processesNaming(text: string): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => read(pid, "cmdline").includes(text) || read(pid, "environ").includes(text))
    .map(Number);
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return ""; // It ended while we looked.
  }
}

/** Kills it, if it has not ended by itself meanwhile. */
export function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Mounts below `folder`. */
export function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((at) => at.startsWith(folder));
}
