/** The ways to a container that one can log in to. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import type { Reservation } from "../src/api/reservations.ts";
import { CAPABILITIES } from "../src/drivers/docker/pod.ts";
import { makeKey } from "../test/drivers/ssh.ts";
import type { DockerEngine } from "../test/helpers/docker-engine.ts";
import { temporaryHome } from "../test/helpers/gpu-dev.ts";
import { environment, startServerProcess } from "../test/helpers/server-process.ts";
import { ContainerTimes, type Marks, now, since } from "./docker-marks.ts";

export interface Way {
  readonly title: string;
  /** Resolves when a command has run in it by ssh; what it gives looks up what happened until then. */
  start(name: string): Promise<() => Promise<Marks>>;
  end(names: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** What a program printed; `said` is told of each line on stderr as it comes. */
async function typed(
  home: string,
  [command = "", ...words]: readonly string[],
  said: (line: string) => void = () => undefined,
): Promise<string> {
  const child = spawn(command, words, { env: environment(home), stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk) => (out += chunk));
  createInterface(child.stderr).on("line", (line) => {
    err += `${line}\n`;
    said(line);
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ${words.join(" ")}: ${err}`);
  return out.trim();
}

/** As people do it who have no gpu-dev: a container with sshd, and ssh as soon as it listens. `limits` are more words for `docker run`. */
export async function byDocker(
  title: string,
  engine: DockerEngine,
  image: string,
  limits: readonly string[] = [],
): Promise<Way> {
  const { home, remove } = temporaryHome();
  const times = new ContainerTimes(engine);
  const user = await makeKeys(home);
  const sshd = ["/usr/sbin/sshd", "-D", "-e", "-h", "/keys/host", "-o", "StrictModes=no"];
  const command = [...sshd, "-o", "AuthorizedKeysFile=/keys/authorized_keys"];
  const known = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"];
  const ssh = ["ssh", "-F", "none", "-i", user, ...known.flatMap((option) => ["-o", option]), "-l", "root"];
  return {
    title,
    async start(name) {
      const began = now();
      const volume = `${home}:/keys:ro`;
      const words = ["--detach", "--name", name, "--volume", volume, ...limits, image];
      await engine.docker("run", ...words, ...command);
      const back = now();
      const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
      const address = await engine.docker("inspect", "--format", format, name);
      while (!(await listens(address))) await pause(5);
      await typed(home, [...ssh, address, "true"]);
      const done = now();
      return async () => since(began, { ...(await times.of(name)), back, done });
    },
    async end(names) {
      await engine.docker("rm", "--force", ...names);
    },
    async close() {
      times.close();
      remove();
    },
  };
}

/** The words that make a container of `docker run` one as pods are: what it may do, what it may use, and that no other reaches it. */
export async function asPods(engine: DockerEngine): Promise<string[]> {
  const network = "alone";
  await engine.docker("network", "create", "--opt", "com.docker.network.bridge.enable_icc=false", network);
  return [
    ...["--network", network, "--security-opt", "no-new-privileges", "--cap-drop", "ALL"],
    ...CAPABILITIES.flatMap((name) => ["--cap-add", name]),
    ...["--cpus", "1", "--cpu-shares", "205", "--pids-limit", "3276"],
    ...["--memory", "512m", "--memory-swap", "512m", "--shm-size", "256m"],
    ...["--log-opt", "max-size=1m", "--log-opt", "max-file=2"],
  ];
}

/** A key for sshd and one for its user, who may log in by it; the file of the latter. */
async function makeKeys(dir: string): Promise<string> {
  const [user] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  copyFileSync(`${user.file}.pub`, join(dir, "authorized_keys"));
  return user.file;
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

interface GpuDev {
  readonly title: string;
  readonly engine: DockerEngine;
  readonly image: string;
  /** Of this repository, built. */
  readonly clone: string;
  /** How many pods there can be at once. */
  readonly places: number;
}

/** As a user of gpu-dev types it: `reserve`, which returns when ssh works, and then ssh. */
export async function byGpuDev({ title, engine, image, clone, places }: GpuDev): Promise<Way> {
  const { home, remove } = temporaryHome();
  const times = new ContainerTimes(engine);
  const config = join(home, "server.yaml");
  writeFileSync(config, `docker: { image: "${image}" }\n`);
  const args = ["--config", config, "--driver", `docker=${engine.url}`, "--simulate", `bench:${places}`];
  const server = await startServerProcess({ home, args, clone });
  const { id: deployment } = await server.api.getDeployment({});
  const gpuDev = [process.execPath, join(clone, "bin", "gpu-dev.js")];
  const reserve = [...gpuDev, "reserve", "--gpu-type", "bench", "--gpus", "1", "--time", "1h", "--json"];
  const ssh = ["ssh", "-F", join(home, "ssh_config"), "-S", "none"];
  return {
    title,
    async start(name) {
      const began = now();
      let told = Number.NaN;
      const reserved = await typed(home, [...reserve, "--name", name], (line) => {
        if (line.startsWith("Ready")) told = now();
      });
      const back = now();
      const { id } = JSON.parse(reserved) as { id: string };
      await typed(home, [...ssh, `gpu-dev-${id.slice(0, 8)}`, "true"]);
      const done = now();
      return async () => {
        const rows = rowTimes(await server.api.getReservation({ params: { id } }));
        const container = await times.of(`gpu-dev-${deployment.slice(0, 8)}-${id}-1`);
        return since(began, { ...rows, ...container, told, back, done });
      };
    },
    async end(names) {
      await typed(home, [...gpuDev, "cancel", "--yes", ...names]);
    },
    async close() {
      await server.stop();
      times.close();
      remove();
    },
  };
}

function rowTimes({ created_at, placed_at, proved_at, started_at }: Reservation) {
  const at = (instant: string | null): number => Date.parse(instant ?? "");
  return { answered: at(created_at), placed: at(placed_at), proved: at(proved_at), active: at(started_at) };
}
