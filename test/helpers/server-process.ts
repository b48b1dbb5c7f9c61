/** A real server in a process of its own, over a directory that outlives it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Client, createClient } from "../../src/api/client.ts";
import type { LocalServer } from "../../src/api/home.ts";

const root = join(import.meta.dirname, "..", "..");

export interface ServerProcess {
  readonly url: string;
  readonly token: string;
  readonly pid: number;
  readonly api: Client;
  /** What it printed when it was ready. */
  readonly line: string;
  /** All that it has logged so far. */
  log(): string;
  /** SIGTERM, and its exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL, at once. */
  kill(): Promise<void>;
}

export interface ServerProcessOptions {
  /** GPU_DEV_HOME; the data directory is `data` below it. */
  readonly home: string;
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Runs `test/helpers/shifted-server.ts` with the clock that many milliseconds ahead, instead of the built command. */
  readonly aheadMs?: number;
  /** Whose build it is. Default: this one's. */
  readonly clone?: string;
}

export interface Launched {
  readonly child: ChildProcess;
  /** Resolves when it prints its line; rejects with its log when it ends first. */
  readonly ready: Promise<ServerProcess>;
}

/** Starts the server and says so at once, for tests that kill it before it is ready. */
export function launchServer(options: ServerProcessOptions): Launched {
  const entry =
    options.aheadMs === undefined
      ? [join(options.clone ?? root, "bin", "gpu-dev.js"), "server"]
      : [join(import.meta.dirname, "shifted-server.ts"), String(options.aheadMs)];
  const dataDir = join(options.home, "data");
  const args = [
    ...entry,
    "--data-dir",
    dataDir,
    "--listen",
    "127.0.0.1:0",
    ...endAtOnce(options),
    ...(options.args ?? []),
  ];
  const child = spawn(process.execPath, args, {
    env: { ...environment(options.home), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return { child, ready: whenReady(child, options.home) };
}

/** A test that stops its server does not wait for the sessions that it left open, unless it says so. */
const endAtOnce = ({ aheadMs }: ServerProcessOptions): string[] =>
  aheadMs === undefined ? ["--drain-max", "0"] : [];

export const startServerProcess = (options: ServerProcessOptions): Promise<ServerProcess> =>
  launchServer(options).ready;

/** The environment of somebody who has only `home`. */
export function environment(home: string): NodeJS.ProcessEnv {
  const { GPU_DEV_URL: _url, GPU_DEV_TOKEN: _token, ...rest } = process.env;
  return { ...rest, HOME: home, GPU_DEV_HOME: home, NO_COLOR: "1" };
}

/** Of the server with the API that was started last; empty without any. */
function readToken(home: string): string {
  const file = join(home, "server.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as LocalServer).token : "";
}

async function whenReady(child: ChildProcess, home: string): Promise<ServerProcess> {
  let log = "";
  child.stderr?.on("data", (chunk) => {
    log += chunk;
  });
  if (!child.stdout) throw new Error("the server has no stdout");
  const exit = once(child, "exit");
  const first = await Promise.race([once(createInterface(child.stdout), "line"), exit.then(() => undefined)]);
  if (first === undefined) throw new Error(`the server ended before it was ready\n${log}`);
  const url = /https?:\S+/.exec(String(first[0]))?.[0] ?? "";
  const token = readToken(home);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null && child.kill(signal)) await exit;
    return child.exitCode;
  };
  return {
    url,
    token,
    pid: child.pid ?? 0,
    line: String(first[0]),
    api: createClient({ url, token, fetch, version: "99.0.0-test" }),
    log: () => log,
    stop: () => end("SIGTERM"),
    kill: async () => {
      await end("SIGKILL");
    },
  };
}
