/**
 * What a pod uses of this machine: the sums over its processes, as /proc has them (proc(5)); pods have no cgroups of their own. Their
 * network is the machine's, which counts nothing by process.
 */
import { statfs } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import type { Known, PodUsage } from "../driver.ts";
import { homeOf } from "./disk.ts";
import type { GpuWatch } from "./gpu-watch.ts";
import { ofProcess, processesOf } from "./process-table.ts";

const FRESH_GPUS_MS = 1000;
/** The kernel tells programs of a hundredth of a second, however fine it counts itself (USER_HZ). */
const TICKS_PER_S = 100;
const KIB = 1024;

const ELSEWHERE = { unknown: "this machine's system does not tell it (only Linux does)" };
const NETWORK = { unknown: "the pod's network is the machine's own, which is not counted by pod" };
const SILENT_GPUS = { unknown: "nvidia-smi does not answer" };

/** Of the pod in `dir`, which runs. */
export async function usageOf(dir: string, gpus: GpuWatch): Promise<PodUsage> {
  const [pids, gpuUse, home] = await Promise.all([
    processesOf(dir),
    gpus.of(dir, FRESH_GPUS_MS),
    fileSystemOf(await homeOf(dir)),
  ]);
  const atMs = performance.now();
  const seen = await Promise.all(pids.map(seeProcess));
  const sum = (of: "ticks" | "bytes"): number => seen.reduce((total, one) => total + one[of], 0);
  const onLinux = <T>(figures: T): Known<T> => (process.platform === "linux" ? figures : ELSEWHERE);
  return {
    atMs,
    cpu: onLinux({ usedS: sum("ticks") / TICKS_PER_S, cpus: availableParallelism() }),
    memory: onLinux({ usedBytes: sum("bytes"), limitBytes: totalmem() }),
    network: NETWORK,
    gpus: gpuUse ?? SILENT_GPUS,
    home,
  };
}

/** Nothing for one that ended meanwhile. */
async function seeProcess(pid: number): Promise<{ ticks: number; bytes: number }> {
  const [stat = "", memory = ""] = await Promise.all([ofProcess(pid, "stat"), memoryText(pid)]);
  return { ticks: ticksOf(stat), bytes: Number(/^(?:Pss|VmRSS):\s*(\d+) kB$/m.exec(memory)?.[1] ?? 0) * KIB };
}

/** Its own and that of its children that ended (utime, stime, cutime, cstime): what a process used is not lost with it. */
function ticksOf(stat: string): number {
  // A program's name, which stands in brackets, may have brackets and blanks itself.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

/** Memory that several processes share counts in parts (Pss), where the kernel tells it. */
const memoryText = async (pid: number): Promise<string | undefined> =>
  (await ofProcess(pid, "smaps_rollup")) ?? (await ofProcess(pid, "status"));

/** As df(1) counts it: without what is kept for root. */
async function fileSystemOf(path: string): Promise<PodUsage["home"]> {
  const { blocks, bfree, bavail, bsize } = await statfs(path);
  return { usedBytes: (blocks - bfree) * bsize, totalBytes: (blocks - bfree + bavail) * bsize };
}
