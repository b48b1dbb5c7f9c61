/** What happens between asking for a pod and the end of the first command in it, and where the times of it are found. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { run } from "../test/drivers/ssh.ts";
import type { DockerEngine } from "../test/helpers/docker-engine.ts";

/** In the order in which they happen. */
export const MARKS = {
  answered: "the server has the request",
  placed: "it has its GPUs",
  created: "the container is created",
  started: "the container is started",
  listening: "its sshd listens",
  proved: "the server has logged in",
  active: "it is active",
  told: "who waits is told so",
  back: "the command has ended",
  done: "ssh has run a command in it",
} as const;

/** Milliseconds since it was typed. */
export type Marks = { readonly [mark in keyof typeof MARKS]?: number };

/** Milliseconds since 1970, as what other programs write down. */
export const now = (): number => performance.timeOrigin + performance.now();

/** When containers were created and started, as the engine tells it. */
export class ContainerTimes {
  readonly #engine: DockerEngine;
  readonly #times = new Map<string, number>();
  readonly #events;

  constructor(engine: DockerEngine) {
    this.#engine = engine;
    const words = ["--filter", "type=container", "--filter", "event=create", "--filter", "event=start"];
    const format = "{{.Action}} {{.Actor.Attributes.name}} {{.TimeNano}}";
    const args = ["--host", engine.url, "events", ...words, "--format", format];
    this.#events = spawn("docker", args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface(this.#events.stdout).on("line", (line) => {
      const [action, name, nanoseconds] = line.split(" ");
      this.#times.set(`${action} ${name}`, Number(nanoseconds) / 1e6);
    });
  }

  /** Of a container that is there, whose sshd listens. */
  async of(container: string): Promise<{ created: number; started: number; listening: number }> {
    const words = ["--host", this.#engine.url, "logs", "--timestamps", container];
    const { stdout, stderr } = await run("docker", words);
    const listening = /^(\S+) .*Server listening/m.exec(stdout + stderr)?.[1] ?? "";
    const at = (action: string): number => this.#times.get(`${action} ${container}`) ?? Number.NaN;
    return { created: at("create"), started: at("start"), listening: Date.parse(listening) };
  }

  close(): void {
    this.#events.kill();
  }
}

/** The same times as the time since `typed`. */
export const since = (typed: number, times: { readonly [mark in keyof Marks]: number }): Marks =>
  Object.fromEntries(Object.entries(times).map(([mark, at]) => [mark, at - typed]));
