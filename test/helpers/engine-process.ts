/** What answers Docker's API, in namespaces of its own; it needs root, and is gone with the process that started it. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { run } from "../drivers/ssh.ts";
import { type ImageKind, importImage } from "./docker-images.ts";
import { processesNaming } from "./processes.ts";

type Program = "dockerd" | "podman";

const POLL_MS = 20;

/** Why this program cannot be started here; in CI, where that must not be, it throws. */
export function lacks(program: Program): string | undefined {
  const missing = [program, "docker", "iptables", "busybox", "sshd"].filter(
    (name) => spawnSync("sh", ["-c", `PATH=$PATH:/usr/sbin; command -v ${name}`]).status !== 0,
  );
  const root = process.getuid?.() === 0;
  if (root && missing.length === 0) return undefined;
  const why = root ? `not installed: ${missing.join(", ")} (npm run setup -- test)` : "needs root";
  if (process.env.CI) throw new Error(`${program}: ${why}`);
  return why;
}

export class EngineProcess {
  /** Of its socket and its log; its data is in memory, and seen only by itself. */
  readonly folder = mkdtempSync(join(tmpdir(), "gpu-dev-engine-"));
  readonly socket = join(this.folder, "docker.sock");
  readonly url = `unix://${this.socket}`;
  #keeper: ChildProcess | undefined;
  #said: AsyncIterator<string> | undefined;
  readonly #command: readonly string[];
  readonly #dataMax: string;

  /**
   * Not started yet. `reachable` tells whether this process reaches the addresses of containers; `args` are more of the program's.
   * `dataMax` is how large its disk is, as mount has it; by default half of the machine's memory.
   */
  protected constructor(program: Program, reachable: boolean, args: readonly string[], dataMax = "50%") {
    this.#dataMax = dataMax;
    this.#command = ["outside", program, this.folder, reachable ? "reachable" : "hidden", ...args];
  }

  /** Of its cgroup, and of its device in our network; nothing else on this machine has it. */
  get name(): string {
    return `gpudev-${this.#keeper?.pid}`;
  }

  /** Of the machine that it believes to be alone on, as seen from here, if it is reachable. */
  get address(): string {
    return readFileSync(join(this.folder, "address"), "utf8").trim();
  }

  /** Writes its disk full, but for so many bytes: for one that is small. The result gives them back. */
  async fill(leaveBytes: number): Promise<() => void> {
    const ballast = join(this.inside(`${this.folder}/data`), "ballast");
    const { stderr } = await run("dd", ["if=/dev/zero", `of=${ballast}`, "bs=1M"]);
    if (!stderr.includes("No space left")) throw new Error(stderr);
    truncateSync(ballast, statSync(ballast).size - leaveBytes);
    return () => rmSync(ballast);
  }

  /** A place of its own, as seen from here: what it has mounted is there for itself alone. */
  inside(place: string): string {
    const seen = processesNaming(`${this.folder}/data`).map((pid) => `/proc/${pid}/root${place}`);
    const there = seen.find((path) => existsSync(path));
    if (there === undefined) throw new Error(`${place} cannot be reached`);
    return there;
  }

  /** First, after `kill`, or after its end; resolves when it answers. */
  async start(): Promise<void> {
    try {
      await this.#order("start");
      await this.#answer();
    } catch (cause) {
      const log = this.log();
      await this.stop();
      throw new Error(`the engine does not start\n${log}`, { cause });
    }
  }

  /** Ends only the program, as a crash does: containers are left as they are. */
  async kill(): Promise<void> {
    await this.#order("KILL");
  }

  /** It takes connections and answers nothing, until it is thawed. */
  async freeze(): Promise<void> {
    await this.#order("STOP");
  }

  async thaw(): Promise<void> {
    await this.#order("CONT");
  }

  /** As a service manager does it. */
  async restart(): Promise<void> {
    await this.#order("TERM");
    await this.start();
  }

  /** Ends it, its containers, mounts, networks and cgroups, and removes all its files. */
  async stop(): Promise<void> {
    const keeper = this.#keeper;
    if (keeper === undefined || keeper.exitCode !== null) return;
    const exited = once(keeper, "exit");
    keeper.stdin?.end();
    await exited;
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

  /** What the program logged; empty as long as it never ran. */
  log(): string {
    const file = join(this.folder, "log");
    return existsSync(file) ? readFileSync(file, "utf8") : "";
  }

  /** Where it has mounted something, which is not what is mounted in its containers alone. */
  mounts(): string[] {
    const lines = readFileSync(this.inside("/proc/1/mounts"), "utf8").trim().split("\n");
    return lines.map((line) => line.split(" ")[1] ?? "");
  }

  async #order(order: string): Promise<void> {
    if (this.#keeper === undefined) this.#open();
    this.#keeper?.stdin?.write(`${order}\n`);
    const answer = await this.#said?.next();
    if (answer?.done !== false) throw new Error("its namespaces could not be made, or are gone");
  }

  #open(): void {
    // In a session of its own it outlives a terminal's Ctrl-C, and clears up.
    const keeper = spawn(join(import.meta.dirname, "docker", "engine.sh"), this.#command, {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
      env: { ...process.env, DATA_MAX: this.#dataMax },
    });
    this.#keeper = keeper;
    this.#said = createInterface(keeper.stdout)[Symbol.asyncIterator]();
  }

  /** It takes connections a moment after its socket is there, and answers when it is ready. */
  async #answer(tries = 500): Promise<void> {
    try {
      const request = get({ socketPath: this.socket, path: "/_ping" });
      const [response] = await once(request, "response");
      response.resume();
      if (response.statusCode !== 200) throw new Error(`HTTP ${response.statusCode}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ECONNREFUSED" || tries === 0) throw error;
      await pause(POLL_MS);
      await this.#answer(tries - 1);
    }
  }
}
