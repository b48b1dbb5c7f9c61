/**
 * From asking for a pod to the end of the first command in it by ssh, as one types it: gpu-dev with its Docker driver beside `docker run`
 * and ssh, of the same image on the same engine; one pod, and ten at once. `node bench/docker.ts [ROUNDS]`, as root, with docker.io.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeKey } from "../test/drivers/ssh.ts";
import { DockerEngine } from "../test/helpers/docker-engine.ts";
import { temporaryHome } from "../test/helpers/gpu-dev.ts";
import { environment, startServerProcess } from "../test/helpers/server-process.ts";
import { median } from "./median.ts";

const rounds = Number(process.argv[2] ?? 7);
const AT_ONCE = 10;
const { home, remove } = temporaryHome();
const cli = join(import.meta.dirname, "..", "bin", "gpu-dev.js");

/** What it printed. */
async function typed(command: string, ...words: string[]): Promise<string> {
  const child = spawn(command, words, { env: environment(home), stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  child.stderr.on("data", (chunk) => (err += chunk));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${words.join(" ")}: ${err}`);
  return out.trim();
}

const gpuDev = (...words: string[]): Promise<string> => typed(process.execPath, cli, ...words);

const engine = await DockerEngine.start();
const image = await engine.image("sshd");
const keys = join(home, "keys");
mkdirSync(keys);
const [user] = await Promise.all([makeKey(keys, "user"), makeKey(keys, "host")]);
copyFileSync(`${user.file}.pub`, join(keys, "authorized_keys"));
const SSHD = [
  "-D",
  "-e",
  "-h",
  "/keys/host",
  "-o",
  "AuthorizedKeysFile=/keys/authorized_keys",
  "-o",
  "StrictModes=no",
];

/** As people do it who have no gpu-dev: a container with sshd, and ssh when it listens. */
async function byDocker(name: string): Promise<void> {
  const run = [
    "run",
    "--detach",
    "--name",
    name,
    "--volume",
    `${keys}:/keys:ro`,
    image,
    "/usr/sbin/sshd",
    ...SSHD,
  ];
  await engine.docker(...run);
  const address = await engine.docker("inspect", "--format", "{{.NetworkSettings.IPAddress}}", name);
  while (!(await listens(address))) await pause(5);
  const known = [
    "-o",
    "StrictHostKeyChecking=no",
    "-o",
    "UserKnownHostsFile=/dev/null",
    "-o",
    "LogLevel=ERROR",
  ];
  await typed("ssh", "-F", "none", "-i", user.file, ...known, "-l", "root", address, "true");
}

async function listens(address: string): Promise<boolean> {
  const socket = connect(22, address);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false; // Refused: not yet.
  } finally {
    socket.destroy();
  }
}

/** As a user of gpu-dev types it; returns when ssh works, and then ssh. */
async function byGpuDev(name: string): Promise<void> {
  const type = ["--gpu-type", "bench", "--gpus", "1", "--time", "1h"];
  const reserved = await gpuDev("reserve", ...type, "--name", name, "--json");
  const { id } = JSON.parse(reserved) as { id: string };
  await typed("ssh", "-F", join(home, "ssh_config"), "-S", "none", `gpu-dev-${id.slice(0, 8)}`, "true");
}

const WAYS = {
  docker: {
    start: byDocker,
    end: async (names: readonly string[]) => void (await engine.docker("rm", "--force", ...names)),
  },
  "gpu-dev": {
    start: byGpuDev,
    end: async (names: readonly string[]) => void (await gpuDev("cancel", "--yes", ...names)),
  },
} as const;
type Way = keyof typeof WAYS;

let pods = 0;

/** How long it took until each of so many, asked for at the same time, had run its command, ms. */
async function measured(way: Way, count: number): Promise<number[]> {
  const names = Array.from({ length: count }, () => `bench-${++pods}`);
  const started = performance.now();
  const took = await Promise.all(
    names.map(async (name) => {
      await WAYS[way].start(name);
      return performance.now() - started;
    }),
  );
  await WAYS[way].end(names);
  return took;
}

async function compare(title: string, count: number): Promise<void> {
  const took: Record<Way, number[]> = { docker: [], "gpu-dev": [] };
  for (let round = 0; round < rounds; round++)
    for (const way of round % 2 === 0 ? (["docker", "gpu-dev"] as const) : (["gpu-dev", "docker"] as const))
      took[way].push(...(await measured(way, count)));
  const [docker, ours] = [median(took.docker), median(took["gpu-dev"])];
  const figures = `docker run and ssh ${docker.toFixed(0)} ms, gpu-dev ${ours.toFixed(0)} ms`;
  console.log(
    `${title}: ${figures}; ratio ${(ours / docker).toFixed(2)} (target: 1.3 or less; median of ${rounds})`,
  );
}

const config = join(home, "server.yaml");
writeFileSync(config, `docker: { image: "${image}" }\n`);
const server = await startServerProcess({
  home,
  args: ["--config", config, "--driver", `docker=${engine.url}`, "--simulate", `bench:${AT_ONCE}`],
});
try {
  // The first pod of a host waits for what all of them share.
  for (const way of ["docker", "gpu-dev"] as const) await measured(way, 1);
  await compare("one pod", 1);
  await compare(`${AT_ONCE} at once`, AT_ONCE);
} finally {
  await server.stop();
  await engine.stop();
  remove();
}
