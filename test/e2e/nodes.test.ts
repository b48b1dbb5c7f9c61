/** Several nodes, as a user types it: the built command, a real server with simulated nodes, OpenSSH on both ends. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Reservation } from "../../src/api/reservations.ts";
import { gpuDev, openssh, temporaryHome } from "../helpers/gpu-dev.ts";
import { type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
let server: ServerProcess;
const start = () => startServerProcess({ home, args: ["--simulate", "h100:2x2"] });
/** Against hanging; a real outside is polled until then. */
const GUARD = { timeout: 60_000, interval: 50 };

beforeAll(async () => {
  server = await start();
});
afterAll(async () => {
  await gpuDev(home, ["cancel", "both"]);
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), GUARD);
  expect(await server.stop()).toBe(0);
  remove();
});

test("L-15 S-09 T-03 two nodes start as one, each is reached by its own name, and they reach each other", async () => {
  const refused = await gpuDev(home, ["reserve", "--gpu-type", "h100", "--gpus", "4", "--time", "1h"]);
  expect(refused.code).toBe(2);
  expect(refused.stderr).toContain("h100 is given 1 to 2 at a time, and with --multi-node 4");

  const words = ["--gpu-type", "h100", "--gpus", "4", "--multi-node", "--time", "1h", "--name", "both"];
  const done = await gpuDev(home, ["reserve", ...words, "--json"]);
  expect(done).toMatchObject({ code: 0 });
  const made = JSON.parse(done.stdout) as Reservation;
  expect(made).toMatchObject({ state: "active", node_count: 2, gpu_count: 4, simulated: true });

  const rank = "echo $GPU_DEV_RANK of $GPU_DEV_WORLD_SIZE, $CUDA_VISIBLE_DEVICES";
  expect((await gpuDev(home, ["connect", "both", "--node", "1", "--", rank])).stdout).toBe("1 of 2, 0,1\n");
  const host = `gpu-dev-${made.id.slice(0, 8)}-1`;
  expect((await openssh(home, "ssh", [host, rank])).stdout).toBe("1 of 2, 0,1\n");
  const across = `ssh -F "$GPU_DEV_SSH_CONFIG" -o BatchMode=yes "\${GPU_DEV_HOSTS#*,}" '${rank}'`;
  expect((await gpuDev(home, ["connect", "both", "--", across])).stdout).toBe("1 of 2, 0,1\n");
});

test("L-05 L-15 a server that was killed finds both pods, and cancelling leaves nothing of either", async () => {
  await server.kill();
  server = await start();
  const rank = "echo $GPU_DEV_RANK";
  expect((await gpuDev(home, ["connect", "both", "--node", "1", "--", rank])).stdout).toBe("1\n");
  expect(await gpuDev(home, ["cancel", "both"])).toMatchObject({ code: 0 });
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "pods"))).toEqual([]), GUARD);
  await vi.waitFor(() => expect(readdirSync(join(home, "data", "gangs"))).toEqual([]), GUARD);
});
