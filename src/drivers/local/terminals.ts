/** The terminals of a pod: who has one open reads it; nobody else's is ever written to. */
import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { control, readIfThere, unlessMissing } from "./pod-dir.ts";
import { ofProcess, processesOf } from "./process-table.ts";

/** Major numbers of pseudo-terminals; see Documentation/admin-guide/devices.txt in the kernel. */
const PTY_MAJORS = { first: 136, last: 143 };
const FLAGS = constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
/** It is full or stopped, was hung up, or went away; or it was no terminal (a pipe that nobody reads, a link). */
const PASSED_OVER = ["EAGAIN", "EIO", "ENOENT", "ESRCH", "ENXIO", "ELOOP", "EACCES"];

/** All of the pod's own /dev/pts, seen through the process that its namespaces hang on. */
export async function terminalsInside(dir: string): Promise<string[]> {
  const pid = Number(await readIfThere(control(dir, "claim")));
  const pts = `/proc/${pid}/root/dev/pts`;
  const names = (await unlessMissing(readdir(pts))) ?? [];
  return names.filter((name) => /^\d+$/.test(name)).map((name) => `${pts}/${name}`);
}

/** Those that processes of the pod run on; none where there is no /proc. */
export async function terminalsOfProcesses(dir: string): Promise<string[]> {
  if (process.platform !== "linux") return [];
  const numbers = new Set<number>();
  for (const pid of await processesOf(dir)) {
    const number = terminalNumber((await ofProcess(pid, "stat")) ?? "");
    if (number !== undefined) numbers.add(number);
  }
  return [...numbers].map((number) => `/dev/pts/${number}`);
}

/** N of /dev/pts/N from the text of /proc/<pid>/stat, whose seventh field is the device; see proc(5). */
function terminalNumber(stat: string): number | undefined {
  const [, , , , device] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ptyNumber(Number(device ?? 0));
}

function ptyNumber(device: number): number | undefined {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (major < PTY_MAJORS.first || major > PTY_MAJORS.last) return undefined;
  return (major - PTY_MAJORS.first) * 256 + minor;
}

/** Writes what fits at once: a terminal that is stopped or full, because nobody reads it, is not waited for. */
export async function writeToTerminal(path: string, text: string): Promise<void> {
  try {
    const terminal = await open(path, FLAGS);
    try {
      const { rdev } = await terminal.stat();
      if (ptyNumber(rdev) !== undefined) await terminal.write(text);
    } finally {
      await terminal.close();
    }
  } catch (error) {
    if (!PASSED_OVER.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
