/**
 * Ports that are forwarded in the background. Each process that does has a file in `~/.gpu-dev/forwards`, which says what it forwards and
 * the loopback port where it answers to who knows the secret in that file. A pid alone is never trusted: it may be another's by now.
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { EXIT } from "../../api/errors.ts";
import { absent, writeOwnFile } from "../../tunnel/own-file.ts";
import { CliError } from "../errors.ts";

/** What is shown of one. */
export interface BackgroundForward {
  readonly pid: number;
  /** Of the reservation, and its name. */
  readonly id: string;
  readonly name: string | null;
  readonly node: number;
  readonly started_at: string;
  readonly forwards: readonly {
    readonly address: string;
    readonly port: number;
    readonly pod_port: number;
  }[];
}

interface Entry extends BackgroundForward {
  /** The machine that it runs on: several may have the same home. */
  readonly host: string;
  /** Where it answers. */
  readonly control: number;
  readonly secret: string;
}

const LONGEST_LINE = 200;
const ANSWER_MS = 1000;
/** Connections are cut at once; this is for a machine that hardly runs. */
const END_MS = 15_000;

const directory = (stateDir: string): string => join(stateDir, "forwards");
const fileOf = (stateDir: string, { secret }: Entry): string =>
  join(directory(stateDir), `${secret.slice(0, 12)}.json`);

/** Makes a forwarding known; `told` is aborted when it is to end, and `close` says that it has. */
export async function announce(
  stateDir: string,
  forward: BackgroundForward,
): Promise<{ readonly told: AbortSignal; close(): Promise<void> }> {
  const secret = randomBytes(24).toString("hex");
  const told = new AbortController();
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket)).on("error", () => socket.destroy());
    socket.setTimeout(END_MS, () => socket.destroy());
    void hear(socket).then((line) => {
      if (line === `${secret} look`) socket.end("here\n");
      // It stays open until all is closed: that is the answer.
      else if (line === `${secret} stop`) told.abort();
      else socket.destroy();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port: control } = server.address() as AddressInfo;
  const entry: Entry = { ...forward, host: hostname(), control, secret };
  const close = async (): Promise<void> => {
    await rm(fileOf(stateDir, entry), { force: true });
    const closed = once(server, "close");
    server.close();
    for (const socket of open) socket.destroy();
    await closed;
  };
  try {
    writeOwnFile(fileOf(stateDir, entry), JSON.stringify(entry));
  } catch (error) {
    await close();
    throw error;
  }
  return { told: told.signal, close };
}

/** Those that run on this machine, the oldest first. Files of those that do not run any more are taken away. */
export async function runningForwards(stateDir: string): Promise<Entry[]> {
  const names = (await readdir(directory(stateDir)).catch(absent)) ?? [];
  const files = names.filter((name) => name.endsWith(".json")).map((name) => join(directory(stateDir), name));
  const entries = await Promise.all(files.map(whileItRuns));
  return entries
    .filter((entry) => entry !== undefined)
    .toSorted((a, b) => a.started_at.localeCompare(b.started_at));
}

/** Resolves when it has ended. Throws CliError when it does not. */
export async function stopForward(entry: Entry): Promise<void> {
  if ((await say(entry, "stop", END_MS)) !== undefined) return;
  throw new CliError("still_pending", EXIT.pending, `The process ${entry.pid} does not end`, {
    hint: "It hangs, or this machine hardly runs: look at it, and end it by its pid.",
  });
}

async function whileItRuns(file: string): Promise<Entry | undefined> {
  const entry = read((await readFile(file, "utf8").catch(absent)) ?? "");
  if (entry && entry.host !== hostname()) return undefined;
  if (entry && (await isThere(entry))) return entry;
  await rm(file, { force: true });
  return undefined;
}

/** One that is stopped, or on a machine that is busy, is there though it does not answer. */
async function isThere(entry: Entry): Promise<boolean> {
  const answer = await say(entry, "look", ANSWER_MS);
  return answer === undefined ? isAlive(entry.pid) : answer === "here";
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function read(text: string): Entry | undefined {
  try {
    const entry = JSON.parse(text);
    return Number.isSafeInteger(entry.control) && Array.isArray(entry.forwards) ? entry : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** What it answered, "" when it hung up without a word or nobody listens there; undefined when it did neither in time. */
async function say(
  { control, secret }: Entry,
  word: "look" | "stop",
  ms: number,
): Promise<string | undefined> {
  const socket = connect(control, "127.0.0.1");
  const late = new Promise<undefined>((resolve) => socket.setTimeout(ms, () => resolve(undefined)));
  // Refused or cut: nobody is there, or not any more.
  socket.on("error", () => socket.destroy());
  socket.write(`${secret} ${word}\n`);
  const answer = await Promise.race([hear(socket), late]);
  socket.destroy();
  return answer;
}

/** The first line; what there is of it when the other end hangs up first. */
function hear(socket: Socket): Promise<string> {
  let text = "";
  return new Promise((resolve) => {
    const done = (): void => resolve(text.split("\n")[0] ?? "");
    socket.setEncoding("utf8").on("data", (part: string) => {
      text += part;
      if (text.includes("\n") || text.length > LONGEST_LINE) done();
    });
    socket.on("close", done);
  });
}
