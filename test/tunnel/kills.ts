/** Real ssh through a gateway process to a real sshd, any of which is killed (-9) at a random instant. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { freePort } from "../helpers/free-port.ts";
import { processesNaming } from "../helpers/processes.ts";
import type { Dice } from "../helpers/random.ts";
import { cleanEnv, pointTo, type Rig, startRig } from "./rig.ts";
import { configureSsh, spawnSsh } from "./ssh-rig.ts";
import { type Sshd, startSshd } from "./sshd.ts";

/** How long a session waits for its client here. */
const DETACH_MS = 500;
const GUARD = { timeout: 60_000 };
const VICTIMS = ["ssh", "proxy", "gateway", "session", "sshd"] as const;

export class KillRuns {
  readonly #sshd: Sshd;
  readonly #rig: Rig;
  readonly #port: number;
  /** In the remote command, to find what is left of it. */
  readonly #mark: string;
  #gateway: ChildProcess | undefined;

  private constructor(sshd: Sshd, rig: Rig, port: number) {
    this.#sshd = sshd;
    this.#rig = rig;
    this.#port = port;
    this.#mark = `kill_runs_at_${port}`;
  }

  static async start(): Promise<KillRuns> {
    const runs = new KillRuns(await startSshd(), await startRig(), await freePort());
    pointTo(runs.#rig.home, `http://127.0.0.1:${runs.#port}`);
    await configureSsh(runs.#rig, runs.#sshd);
    await runs.#startGateway();
    return runs;
  }

  async stop(): Promise<void> {
    this.#gateway?.kill("SIGKILL");
    await this.#rig.close();
    await this.#sshd.stop();
  }

  /** One session, and one kill in its opening or while its bytes flow; then nothing may be left of it. */
  async round(dice: Dice, when: "opening" | "flowing"): Promise<void> {
    const ssh = spawnSsh(this.#rig, `: ${this.#mark}; cat`);
    ssh.stderr?.resume();
    const exited = once(ssh, "exit");
    let echoed = 0;
    ssh.stdout?.on("data", (data: Buffer) => {
      echoed += data.length;
      ssh.stdin?.write(data);
    });
    ssh.stdin?.on("error", () => undefined);
    ssh.stdin?.write("x".repeat(1 + dice.upTo(100_000)));
    const patience = dice.upTo(1_500);
    if (when === "opening") await Promise.race([pause(patience), exited]);
    else await expect.poll(() => echoed, GUARD).toBeGreaterThan(patience);
    await this.#kill(dice.one(...VICTIMS), ssh);
    ssh.stdin?.end();
    await exited;
    await this.#nothingIsLeft();
  }

  async #kill(victim: (typeof VICTIMS)[number], ssh: ChildProcess): Promise<void> {
    if (victim === "ssh") ssh.kill("SIGKILL");
    if (victim === "proxy") killAll(processesNaming(this.#rig.proxy).filter((pid) => pid !== ssh.pid));
    if (victim === "session") killAll(childrenOf(this.#sshd.pid));
    if (victim === "sshd") await this.#sshd.restart();
    if (victim !== "gateway" || !this.#gateway) return;
    const gone = once(this.#gateway, "exit");
    this.#gateway.kill("SIGKILL");
    await gone;
    await this.#startGateway();
  }

  async #startGateway(): Promise<void> {
    const script = fileURLToPath(new URL("gateway-process.ts", import.meta.url));
    const args = [
      script,
      String(this.#sshd.port),
      "--port",
      String(this.#port),
      "--detach-ms",
      `${DETACH_MS}`,
    ];
    const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ["ignore", "pipe", "inherit"] });
    this.#gateway = child;
    await once(child.stdout, "data");
  }

  async #nothingIsLeft(): Promise<void> {
    const idle = { opening: 0, connected: 0, detached: 0 };
    await expect.poll(() => this.#state(), GUARD).toMatchObject(idle);
    const left = () => ({
      proxies: processesNaming(this.#rig.proxy),
      commands: processesNaming(this.#mark),
      sessions: childrenOf(this.#sshd.pid),
      sockets: connections([this.#port, this.#sshd.port]),
    });
    await expect.poll(left, GUARD).toEqual({ proxies: [], commands: [], sessions: [], sockets: [] });
  }

  async #state(): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.#port}`, { headers: { connection: "close" } });
    return response.json();
  }
}

function killAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, "SIGKILL");
    } catch (error) {
      // It ended by itself meanwhile.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function childrenOf(parent: number): number[] {
  return readdirSync("/proc")
    .filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === parent)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    // "pid (name) state parent": the name may hold anything.
    return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]);
  } catch {
    return undefined; // It ended while we looked.
  }
}

const LISTEN = "0A";
const TIME_WAIT = "06";

/** Connections of these local ports that somebody still holds, as /proc/net/tcp has them. */
function connections(ports: readonly number[]): string[] {
  const hex = ports.map((port) => `:${port.toString(16).toUpperCase().padStart(4, "0")}`);
  return readFileSync("/proc/net/tcp", "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = "", remote = ""]) =>
      hex.some((port) => local.endsWith(port) || remote.endsWith(port)),
    )
    .filter(([, , , state]) => state !== LISTEN && state !== TIME_WAIT)
    .map((words) => words.slice(1, 4).join(" "));
}
