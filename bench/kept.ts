/**
 * What a server keeps of things that are over, after a collection, in bytes of each: tunnels, event streams, strangers who guess at tokens
 * from addresses of their own, reservations made with an idempotency key, and posts to webhooks. What has a bound is warmed up beyond it;
 * why a tunnel ended is told for five minutes, after which a last look is taken. Usage: node bench/kept.ts [--times 1] [--only tunnels]
 */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { newKeyPair } from "../src/core/people/key-pair.ts";
import { TunnelClient } from "../src/tunnel/client.ts";
import { type ServerProcess, startServerProcess } from "../test/helpers/server-process.ts";
import { type Heap, INSPECTED, openHeap } from "./heap.ts";

const { values } = parseArgs({
  options: { times: { type: "string", default: "1" }, only: { type: "string", default: "" } },
});
const AT_ONCE = 8;
const REMEMBERED_MS = 5 * 60_000;

interface Act {
  /** How often before it is measured, and then. */
  readonly warmUp: number;
  readonly count: number;
  readonly once: (i: number) => Promise<void>;
  /** What is kept on purpose is gone after this. */
  readonly laterMs?: number;
}

async function measure(
  heap: Heap,
  name: string,
  { warmUp, count, once: act, laterMs = 0 }: Act,
): Promise<void> {
  const all = Math.round(count * Number(values.times));
  await repeat(warmUp, 0, act);
  const before = await heap.kept();
  await repeat(all, warmUp, act);
  say(name, all, (await heap.kept()) - before);
  if (laterMs === 0) return;
  await pause(laterMs);
  // Whoever comes next finds what is over.
  await repeat(1, warmUp + all, act);
  say(`${name}, ${laterMs / 60_000} min later`, all, (await heap.kept()) - before);
}

const say = (name: string, count: number, bytes: number): void =>
  console.log(
    `${name.padEnd(24)} ${String(count).padStart(6)} times  ${(bytes / count).toFixed(0).padStart(6)} bytes of each`,
  );

async function repeat(count: number, first: number, act: Act["once"]): Promise<void> {
  let next = 0;
  const hand = async (): Promise<void> => {
    while (next < count) await act(first + next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, hand));
}

/** Until sshd has said its name, as a probe of a port would. */
async function tunnel({ url, token }: ServerProcess, reservation: string): Promise<void> {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const server = () => ({ url, token, origin: "the bench" });
  const client = new TunnelClient({
    server,
    pod: async () => ({ reservation, node: 0 }),
    port: 22,
    stdin,
    stdout,
  });
  await once(stdout, "data");
  stdout.resume();
  stdin.end();
  await client.done;
}

/** Until its first event. */
async function stream({ url, token }: ServerProcess): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
  const [answer] = await once(get(`${url}/v1/reservations`, { headers, agent: false }), "response");
  await once(answer, "data");
  answer.destroy();
}

/** Nobody's token, from an address that nobody else has. */
async function guess({ url }: ServerProcess, i: number): Promise<void> {
  const from = `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;
  const headers = { authorization: `Bearer guess-${i}`, "x-forwarded-for": from };
  const answer = await fetch(`${url}/v1/me`, { headers });
  await answer.arrayBuffer();
  if (answer.status !== 401) throw new Error(`a guess was answered with ${answer.status}`);
}

/** One that waits for tomorrow has no pod. */
async function change({ api }: ServerProcess, idempotencyKey: string, webhook?: string): Promise<void> {
  const start_at = new Date(Date.now() + 24 * 3_600_000).toISOString();
  const body = { gpu_type: "h100", duration_s: 3600, start_at, ...(webhook && { webhook }) };
  const { id } = await api.createReservation({ body, idempotencyKey });
  await api.cancelReservation({ params: { id } });
}

async function active({ api }: ServerProcess): Promise<string> {
  const { id } = await api.createReservation({ body: { gpu_type: "cpu", duration_s: 3 * 3600 } });
  for (;;) {
    const { state } = await api.getReservation({ params: { id } });
    if (state === "active") return id;
    await pause(100);
  }
}

interface Receiver {
  readonly url: string;
  posts(): number;
  close(): void;
}

async function openReceiver(): Promise<Receiver> {
  let posts = 0;
  const receiver = createServer((request, response) => {
    posts++;
    request.resume();
    response.end();
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const { port } = receiver.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, posts: () => posts, close: () => receiver.close() };
}

const CONFIG = `
limits: {requests_per_token: 0, requests_per_address: 60}
behind_proxy: [127.0.0.1]
webhooks: {allow_hosts: [127.0.0.1]}
`;

const actsOn = (server: ServerProcess, pod: string, receiver: Receiver): Readonly<Record<string, Act>> => ({
  streams: { warmUp: 500, count: 5000, once: () => stream(server) },
  guesses: { warmUp: 25_000, count: 25_000, once: (i) => guess(server, i) },
  keys: { warmUp: 500, count: 5000, once: (i) => change(server, `key-${i}`) },
  webhooks: {
    warmUp: 100,
    count: 1000,
    async once(i) {
      const before = receiver.posts();
      await change(server, `hooked-${i}`, receiver.url);
      while (receiver.posts() === before) await pause(5);
    },
  },
  tunnels: { warmUp: 500, count: 2000, once: () => tunnel(server, pod), laterMs: REMEMBERED_MS },
});

async function measureAll(server: ServerProcess, receiver: Receiver): Promise<void> {
  await server.api.createKey({ body: { public_key: newKeyPair().publicKey } });
  const acts = actsOn(server, await active(server), receiver);
  const heap = await openHeap(server.log());
  try {
    for (const [name, act] of Object.entries(acts))
      if (name.startsWith(values.only)) await measure(heap, name, act);
  } finally {
    heap.close();
  }
}

const home = mkdtempSync(join(tmpdir(), "gd-"));
const config = join(home, "server.yaml");
writeFileSync(config, CONFIG);
const receiver = await openReceiver();
const args = ["--config", config, "--simulate", "h100:8"];
const server = await startServerProcess({ home, args, env: INSPECTED });
try {
  await measureAll(server, receiver);
} finally {
  await server.stop();
  receiver.close();
  rmSync(home, { recursive: true, force: true });
}
