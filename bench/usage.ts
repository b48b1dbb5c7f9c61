/** Preloaded into a process that is measured: at its end, what it used goes to the file GPU_DEV_BENCH_USAGE as a line of JSON. */
import { appendFileSync } from "node:fs";

export interface Usage {
  /** User and system time, in seconds. */
  readonly cpuS: number;
  readonly peakMiB: number;
}

let isWritten = false;
function writeUsage(): void {
  if (isWritten) return;
  isWritten = true;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const usage: Usage = { cpuS: (userCPUTime + systemCPUTime) / 1e6, peakMiB: maxRSS / 1024 };
  appendFileSync(process.env.GPU_DEV_BENCH_USAGE ?? "", `${JSON.stringify(usage)}\n`);
}

process.on("exit", writeUsage);

// A process that ends by a signal of its own may see no "exit".
const kill = process.kill.bind(process);
process.kill = (pid, signal) => {
  if (pid === process.pid) writeUsage();
  return kill(pid, signal);
};
