/** The table of processes is the whole machine's: what others put into it must not harm the server. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { afterEach, expect, test } from "vitest";
import { POD_VARIABLE, podArgument, processesOf } from "../../src/drivers/local/process-table.ts";

const MIB = 1024 * 1024;
const started: ChildProcess[] = [];

afterEach(async () => {
  const alive = started.splice(0).filter((child) => child.kill("SIGKILL"));
  const gone = alive.map((child) => once(child, "exit"));
  await Promise.all(gone);
});

/** Not bash: with a socket as stdin it reads its user's start files, and what those start would look like the pod's for a moment. */
async function start(args: readonly string[], env: Record<string, string> = {}): Promise<number> {
  const child = spawn("sh", ["-c", "read -r _", "sh", ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["pipe", "ignore", "ignore"],
  });
  started.push(child);
  await once(child, "spawn");
  return child.pid ?? 0;
}

test.skipIf(process.platform !== "linux")(
  "X-09 the arguments of one pod's processes do not fill the server's memory when another pod is ended",
  async () => {
    // Of this run alone: the table shows another run's processes as well.
    const dir = `/nowhere/pods/${randomUUID()}`;
    const large = Array.from({ length: 15 }, () => "0".repeat(120_000));
    for (let i = 0; i < 20; i++) await start(large);
    const ours = [await start([podArgument(dir)]), await start([], { [POD_VARIABLE]: dir })];
    const before = process.resourceUsage().maxRSS * 1024;
    expect(await processesOf(dir)).toEqual(ours.toSorted((a, b) => a - b));
    expect(process.resourceUsage().maxRSS * 1024 - before).toBeLessThan(20 * MIB);
  },
);
