/**
 * From `gpu-dev reserve` to the end of the first command by ssh, as a user types it: `node bench/reserve.ts [ROUNDS]`.
 * Beside it, in the same rounds, the same command by ssh in the pod that is there already (what ssh itself costs).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { environment, startServerProcess } from "../test/helpers/server-process.ts";
import { median } from "./median.ts";

const rounds = Number(process.argv[2] ?? 7);
const home = mkdtempSync(join(tmpdir(), "gd-"));
const cli = join(import.meta.dirname, "..", "bin", "gpu-dev.js");

function timed(command: string, args: string[]): number {
  const started = performance.now();
  const done = spawnSync(command, args, { env: environment(home), encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${done.stderr}`);
  return performance.now() - started;
}

const gpuDev = (...args: string[]) => timed(process.execPath, [cli, ...args]);

const server = await startServerProcess({ home });
const reserve: number[] = [];
const connect: number[] = [];
const again: number[] = [];
for (let round = 0; round < rounds; round += 1) {
  reserve.push(gpuDev("reserve", "--gpu-type", "cpu", "--time", "1h", "--name", "bench", "--json"));
  connect.push(gpuDev("connect", "bench", "--", "true"));
  const { items } = await server.api.listReservations({ query: {} });
  const host = `gpu-dev-${items[0]?.id.slice(0, 8)}`;
  again.push(timed("ssh", ["-F", join(home, "ssh_config"), "-S", "none", host, "true"]));
  gpuDev("cancel", "bench");
}
await server.stop();
rmSync(home, { recursive: true, force: true });

const total = reserve.map((ms, i) => ms + (connect[i] ?? 0));
console.log(`reserve until ssh works      ${median(reserve).toFixed(0)} ms (median of ${rounds})`);
console.log(`connect -- true              ${median(connect).toFixed(0)} ms`);
console.log(`reserve to first command     ${median(total).toFixed(0)} ms (target: under 1500 ms)`);
console.log(
  `one more ssh, new connection ${median(again).toFixed(0)} ms; ratio ${(median(total) / median(again)).toFixed(1)}`,
);
