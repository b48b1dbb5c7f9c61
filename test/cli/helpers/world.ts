/** The command line in memory: `gpuDev("list --json")` against a fake server, with a clock that only sleeps move. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { onTestFinished } from "vitest";
import type { Choice, OpenStream, Outside, Prompts, RunProgram } from "../../../src/cli/context.ts";
import { run } from "../../../src/cli/run.ts";
import { runProgram } from "../../../src/cli/run-program.ts";
import { type FakeServer, fakeServer, type Handlers } from "./fake-server.ts";

interface Done {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface World {
  readonly server: FakeServer;
  readonly home: string;
  readonly env: Record<string, string | undefined>;
  /** Questions that were asked. */
  readonly asked: string[];
  /** What could be chosen from, for each question that offered something. */
  readonly offered: (readonly Choice[])[];
  /** Runs that were asked of other programs. */
  readonly programs: string[][];
  /** Ctrl-C, as soon as something watches for it. */
  interrupt: AbortController;
  /** What sleeping does beside moving the clock. */
  onSleep: (nowMs: number) => void;
  now: Date;
  openStream?: OpenStream;
  gpuDev(line: string | readonly string[]): Promise<Done>;
}

export interface WorldOptions {
  readonly handlers?: Handlers;
  readonly env?: Record<string, string>;
  readonly terminal?: boolean;
  /** What is piped in. */
  readonly stdin?: string;
  /** How wide the terminal is; 100 unless told. */
  readonly columns?: number;
  /** Answers to prompts, in order; a prompt without one fails the test. */
  readonly answers?: (string | boolean | Error)[];
  readonly runProgram?: RunProgram;
  /** The home directory; one of its own unless told. */
  readonly home?: string;
}

/** A world of its own, with its files in a temporary directory that goes with the test. */
export function createWorld(options: WorldOptions = {}): World {
  const home = options.home ?? mkdtempSync(join(tmpdir(), "gd-cli-"));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  const world: World = {
    server: fakeServer(options.handlers ?? {}),
    home,
    env: {
      GPU_DEV_URL: "http://gpu.test",
      GPU_DEV_TOKEN: "gd_secretsecretsecret",
      GPU_DEV_HOME: join(home, "gd"),
      ...options.env,
    },
    asked: [],
    offered: [],
    programs: [],
    interrupt: new AbortController(),
    onSleep: () => undefined,
    now: new Date("2026-01-01T12:00:00.000Z"),
    gpuDev: (line) =>
      gpuDev(world, options, typeof line === "string" ? line.split(" ").filter(Boolean) : line),
  };
  return world;
}

async function gpuDev(world: World, options: WorldOptions, argv: readonly string[]): Promise<Done> {
  const written = { stdout: "", stderr: "" };
  const sink = (name: "stdout" | "stderr") => ({
    isTTY: options.terminal ?? false,
    columns: options.columns ?? 100,
    write: (text: string) => {
      written[name] += text;
    },
  });
  const asking = prompts(world, [...(options.answers ?? [])]);
  const outside: Outside = {
    io: {
      stdin: { isTTY: options.terminal ?? false, text: async () => options.stdin ?? "" },
      stdout: sink("stdout"),
      stderr: sink("stderr"),
    },
    env: world.env,
    homedir: world.home,
    clock: {
      now: () => world.now,
      async sleep(ms, signal) {
        signal?.throwIfAborted();
        world.now = new Date(world.now.getTime() + ms);
        world.onSleep(world.now.getTime());
        // What is already on its way arrives meanwhile, as it would in a real pause.
        await turn();
        signal?.throwIfAborted();
      },
    },
    timeZone: () => "Europe/Berlin",
    promptsFor: () => asking,
    fetch: world.server.fetch,
    // A server that knows no streams, unless a test has one: it is asked now and then.
    openStream: (url, init) =>
      world.openStream?.(url, init) ??
      Promise.resolve({ status: 200, contentType: "application/json", body: Readable.from([]) }),
    runProgram: (command, args, stdio, env) => {
      world.programs.push([command, ...args]);
      return (options.runProgram ?? runProgram)(command, args, stdio, env);
    },
    watchInterrupt: () => ({ signal: world.interrupt.signal, stop: () => undefined }),
  };
  const code = await run(argv, outside);
  return { code, ...written };
}

function prompts(world: World, answers: (string | boolean | Error)[]): Prompts {
  const next = async (question: string): Promise<string | boolean> => {
    world.asked.push(question);
    const answer = answers.shift();
    if (answer === undefined) throw new Error(`unexpected question: ${question}`);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return {
    confirm: async (question) => (await next(question)) === true,
    secret: async (question) => String(await next(question)),
    text: async (question, read) => read(String(await next(question))),
    select: async <T extends string>(question: string, choices: readonly Choice<T>[]) => {
      world.offered.push(choices);
      return (await next(question)) as T;
    },
  };
}
