/**
 * The main job, for real: a server with its embedded defaults in a temporary directory, a reservation, a command through
 * OpenSSH, our ssh-proxy, the gateway and the pod's sshd, and proof that nothing is left. Prints each step with its time.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { processesNaming } from "../test/helpers/processes.ts";

const cli = join(import.meta.dirname, "..", "bin", "gpu-dev.js");
const home = mkdtempSync(join(tmpdir(), "gpu-dev-demo-"));
const dataDir = join(home, "data");
const env = {
  ...process.env,
  GPU_DEV_HOME: home,
  HOME: home,
  GPU_DEV_URL: undefined,
  GPU_DEV_TOKEN: undefined,
};

async function step<T>(title: string, act: () => T | Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await act();
  console.log(`${title.padEnd(44)} ${((performance.now() - started) / 1000).toFixed(2).padStart(6)} s`);
  return result;
}

/** One command as a user would type it; its stdout. Throws with what it printed when it fails. */
function gpuDev(...args: string[]): string {
  return expectOk(
    `gpu-dev ${args.join(" ")}`,
    spawnSync(process.execPath, [cli, ...args], { env, encoding: "utf8" }),
  );
}

function expectOk(title: string, done: { status: number | null; stdout: string; stderr: string }): string {
  if (done.status === 0) return done.stdout;
  throw new Error(`${title} exited with ${done.status}\n${done.stdout}${done.stderr}`);
}

const show = (text: string): void => console.log(text.trimEnd().replace(/^/gm, "    "));

async function startServer() {
  const server = spawn(process.execPath, [cli, "server", "--data-dir", dataDir, "--listen", "127.0.0.1:0"], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let log = "";
  server.stderr.on("data", (chunk) => {
    log += chunk;
  });
  const ended = once(server, "exit").then(() => {
    throw new Error(`the server ended before it was ready\n${log}`);
  });
  const ready = once(createInterface(server.stdout), "line").then(([line]) => String(line));
  const line = await Promise.race([ready, ended]);
  ended.catch(() => log); // From here on its end is awaited where it is stopped.
  return { server, line };
}

function proveNothingLeft(serverPid: number | undefined): void {
  const pods = readdirSync(join(dataDir, "pods"));
  const rows = JSON.parse(gpuDev("avail", "--json")) as {
    items: { gpu_type: string; used: number; total: number }[];
  };
  const used = rows.items.filter((row) => row.used > 0);
  const left = process.platform === "linux" ? processesNaming(home).filter((pid) => pid !== serverPid) : [];
  if (pods.length + used.length + left.length > 0)
    throw new Error(`left over: pods ${pods}, allocations ${JSON.stringify(used)}, processes ${left}`);
}

async function demo(): Promise<void> {
  const { server, line } = await step("start gpu-dev server (embedded defaults)", startServer);
  show(line);
  try {
    show(await step("gpu-dev avail", () => gpuDev("avail")));
    const reserve = ["reserve", "--gpu-type", "cpu", "--time", "1h", "--name", "demo", "--json"];
    const reserved = await step("gpu-dev reserve --gpu-type cpu (ssh works)", () => gpuDev(...reserve));
    const { id } = JSON.parse(reserved) as { id: string };
    const command = [
      "sh",
      "-c",
      "'echo Hello from $(hostname), pid $$, reservation $GPU_DEV_RESERVATION_ID'",
    ];
    show(await step("gpu-dev connect demo -- sh -c …", () => gpuDev("connect", "demo", "--", ...command)));
    const ssh = ["-F", join(home, "ssh_config"), `gpu-dev-${id.slice(0, 8)}`, "uname -srm"];
    show(await step("plain ssh", () => expectOk("ssh", spawnSync("ssh", ssh, { env, encoding: "utf8" }))));
    show(await step("gpu-dev list", () => gpuDev("list")));
    show(await step("gpu-dev show demo", () => gpuDev("show", "demo")));
    await step("gpu-dev cancel demo", () => gpuDev("cancel", "demo"));
    await step("nothing is left", () => proveNothingLeft(server.pid));
  } finally {
    await step("stop the server", async () => {
      const exit = once(server, "exit");
      if (server.exitCode === null && server.kill("SIGTERM")) await exit;
    });
  }
}

try {
  const started = performance.now();
  await demo();
  console.log(`\nAll of it took ${((performance.now() - started) / 1000).toFixed(1)} s.`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(home, { recursive: true, force: true });
}
