/**
 * Twenty people who type, alone and beside one bulk transfer each way through the same gateway: how long an echo of 64 bytes
 * takes, and how many times longer beside the bulk. The gateway, its pods and each end of the bulk are processes of their own.
 * Usage: node bench/fairness.ts [--people 20] [--echoes 200]
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { PassThrough, type Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { TunnelClient } from "../src/tunnel/client.ts";
import { quantile } from "./median.ts";

const { values } = parseArgs({
  options: {
    people: { type: "string", default: "20" },
    echoes: { type: "string", default: "200" },
    role: { type: "string" },
    url: { type: "string", default: "" },
  },
});
const ID = "abcdefghijklmnopqrst";
const MESSAGE = Buffer.alloc(64, "x");
const CHUNK = Buffer.alloc(64 * 1024);
/** People do not all press a key in the same instant. */
const BETWEEN_MS = 2;
const BULK_MS = 2000;

/** What a connection begins with says what the pod does on it. */
const ASK = { echo: "e", down: "d", up: "u" } as const;

function servePod(): void {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (data: Buffer) => answer(socket, String.fromCharCode(data[0] ?? 0)));
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as { port: number }).port));
}

function answer(socket: Socket, ask: string): void {
  socket.write(ask);
  if (ask === ASK.echo) socket.pipe(socket);
  else if (ask === ASK.up) socket.resume();
  else pour(socket);
}

/** Writes as fast as it is taken. */
function pour(to: Socket | PassThrough): void {
  const write = (): void => {
    while (to.write(CHUNK));
  };
  to.on("drain", write);
  write();
}

interface Tunnel {
  readonly client: TunnelClient;
  readonly stdin: PassThrough;
  readonly stdout: PassThrough;
}

function dial(url: string, ask: keyof typeof ASK): Tunnel {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const server = () => ({ url, token: "any", origin: "the bench" });
  const pod = async () => ({ reservation: ID, node: 0 });
  const client = new TunnelClient({ server, pod, port: 22, stdin, stdout });
  stdin.write(ASK[ask]);
  return { client, stdin, stdout };
}

/** Moves bytes until it is killed. */
function runBulk(url: string, way: "up" | "down"): void {
  const { stdin, stdout } = dial(url, way);
  if (way === "up") pour(stdin);
  else stdout.resume();
}

async function start(script: string, ...args: string[]): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [line] = (await once(child.stdout as Readable, "data")) as [Buffer];
  return { child, line: line.toString().trim() };
}

async function echo({ stdin, stdout }: Tunnel): Promise<number> {
  const began = performance.now();
  const back = once(stdout, "data");
  stdin.write(MESSAGE);
  await back;
  return performance.now() - began;
}

/** Milliseconds of each echo; everybody types in turn. */
async function typing(people: readonly Tunnel[], echoes: number): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < echoes; i++) {
    for (const person of people) times.push(await echo(person));
    await pause(BETWEEN_MS);
  }
  return times;
}

async function traffic(url: string): Promise<{ up: number; down: number }> {
  return (await (await fetch(url)).json()) as { up: number; down: number };
}

async function measure(url: string): Promise<void> {
  const people = Array.from({ length: Number(values.people) }, () => dial(url, "echo"));
  for (const { stdout } of people) await once(stdout, "data");
  const echoes = Number(values.echoes);
  await typing(people, echoes / 4);
  const alone = await typing(people, echoes);
  const self = fileURLToPath(import.meta.url);
  const bulk = (["up", "down"] as const).map((way) =>
    spawn(process.execPath, [self, "--role", way, "--url", url], { stdio: ["ignore", "ignore", "inherit"] }),
  );
  await pause(BULK_MS);
  const [before, since] = [await traffic(url), performance.now()];
  const beside = await typing(people, echoes);
  const [after, seconds] = [await traffic(url), (performance.now() - since) / 1000];
  for (const child of bulk) child.kill("SIGKILL");
  for (const { client } of people) client.hangUp();
  const rate = (way: "up" | "down") => ((after[way] - before[way]) / 1024 / 1024 / seconds).toFixed(0);
  for (const [name, share] of [
    ["p50", 0.5],
    ["p99", 0.99],
  ] as const) {
    const [idle, busy] = [quantile(alone, share), quantile(beside, share)];
    console.log(
      `echo ${name} beside bulk/alone ${(busy / idle).toFixed(1)}   ${busy.toFixed(2)} ms beside, ${idle.toFixed(2)} ms alone`,
    );
  }
  console.log(`${people.length} people; bulk ${rate("up")} MiB/s up, ${rate("down")} MiB/s down`);
}

async function main(): Promise<void> {
  const pod = await start(fileURLToPath(import.meta.url), "--role", "pod");
  const script = fileURLToPath(new URL("../test/tunnel/gateway-process.ts", import.meta.url));
  const gateway = await start(script, pod.line);
  try {
    await measure(`http://127.0.0.1:${gateway.line}`);
  } finally {
    gateway.child.kill("SIGKILL");
    pod.child.kill("SIGKILL");
  }
}

if (values.role === "pod") servePod();
else if (values.role === "up" || values.role === "down") runBulk(values.url, values.role);
else await main();
