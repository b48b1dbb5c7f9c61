/** A real Docker Engine for tests, in namespaces of its own; it needs root, and is gone with the process that started it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { run } from "../drivers/ssh.ts";
import { type ImageKind, importImage } from "./docker-images.ts";

const SCRIPTS = join(import.meta.dirname, "docker");
const HOOK = "nvidia-container-runtime-hook";

export interface EngineOptions {
  /** Whether this process reaches the addresses of containers; else they are unreachable. Default: true. */
  readonly reachable?: boolean;
  /** Whether it can give GPUs, by a stand-in for NVIDIA's hook. Default: true. */
  readonly gpus?: boolean;
  /** A shell script that containers with GPUs find as /usr/bin/nvidia-smi. */
  readonly nvidiaSmi?: string;
  /** More of dockerd's own, as `--live-restore`. */
  readonly args?: readonly string[];
}

/** Why no engine can be started here; in CI, where that must not be, it throws. */
export function noDockerEngine(): string | undefined {
  const lacking = ["dockerd", "docker", "iptables", "busybox", "sshd"].filter(
    (program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0,
  );
  const why =
    process.getuid?.() !== 0
      ? "a Docker Engine needs root"
      : lacking.length > 0
        ? `not installed: ${lacking.join(", ")} (npm run setup -- test)`
        : undefined;
  if (why !== undefined && process.env.CI) throw new Error(why);
  return why;
}

export class DockerEngine {
  /** Holds all of its files: `data` is its data root. */
  readonly folder = mkdtempSync(join(tmpdir(), "gpu-dev-engine-"));
  readonly socket = join(this.folder, "docker.sock");
  readonly url = `unix://${this.socket}`;
  readonly #hooks = join(this.folder, "hooks");
  readonly #keeper: ChildProcess;
  readonly #said: AsyncIterator<string>;

  private constructor(options: EngineOptions) {
    mkdirSync(this.#hooks);
    if (options.gpus ?? true) copyFileSync(join(SCRIPTS, HOOK), join(this.#hooks, HOOK));
    if (options.nvidiaSmi !== undefined)
      writeFileSync(join(this.#hooks, "nvidia-smi"), options.nvidiaSmi, { mode: 0o755 });
    const reach = (options.reachable ?? true) ? "reachable" : "hidden";
    const words = ["outside", this.folder, reach, ...(options.args ?? [])];
    // In a session of its own it outlives a terminal's Ctrl-C, and clears up.
    this.#keeper = spawn(join(SCRIPTS, "engine.sh"), words, {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    this.#said = createInterface(this.#keeper.stdout as NodeJS.ReadableStream)[Symbol.asyncIterator]();
  }

  /** Of its cgroup, and of its device in our network; no other engine on this machine has it. */
  get name(): string {
    return `gpudev-${this.#keeper.pid}`;
  }

  /** One that answers. */
  static async start(options: EngineOptions = {}): Promise<DockerEngine> {
    const engine = new DockerEngine(options);
    try {
      await engine.start();
    } catch (error) {
      await engine.stop();
      throw error;
    }
    return engine;
  }

  /** After `kill`, or after its end; resolves when it answers. */
  async start(): Promise<void> {
    await this.#order("start");
    await this.#answer().catch((cause) => {
      throw new Error(`the engine does not answer\n${this.log()}`, { cause });
    });
  }

  /** Ends only the engine, as a crash does: containers are left as they are. */
  async kill(): Promise<void> {
    await this.#order("KILL");
  }

  /** As a service manager does it. */
  async restart(): Promise<void> {
    await this.#order("TERM");
    await this.start();
  }

  /** Ends it, its containers, mounts, networks and cgroups, and removes all its files. */
  async stop(): Promise<void> {
    const exited = once(this.#keeper, "exit");
    this.#keeper.stdin?.end();
    if (this.#keeper.exitCode === null) await exited;
  }

  /** Docker's own client, with these words; throws with what it said when it fails. */
  async docker(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await run("docker", ["--host", this.url, ...words]);
    if (code !== 0) throw new Error(`docker ${words.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  /** Its image of that kind, made and imported when it is first asked for; the result is its name. */
  image(kind: ImageKind): Promise<string> {
    return importImage(this, kind);
  }

  /** What the hook was asked for: the devices of each container that was started with GPUs, in order. */
  devicesAsked(): { readonly container: string; readonly devices: string[] }[] {
    const file = join(this.#hooks, "devices");
    if (!existsSync(file)) return [];
    const lines = readFileSync(file, "utf8").trim().split("\n");
    return lines.map((line) => {
      const [container = "", devices = ""] = line.split(" ");
      return { container, devices: devices.split(",") };
    });
  }

  /** What dockerd logged. */
  log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  async #order(order: string): Promise<void> {
    this.#keeper.stdin?.write(`${order}\n`);
    const { done } = await this.#said.next();
    if (done) throw new Error("the engine's namespaces could not be made, or are gone");
  }

  /** It takes connections at once, and answers when it is ready. */
  async #answer(): Promise<void> {
    const request = get({ socketPath: this.socket, path: "/_ping" });
    const [response] = await once(request, "response");
    response.resume();
    if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
  }
}
