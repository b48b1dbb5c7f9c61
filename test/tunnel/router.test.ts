/** Upgrades that reach a process without the session: handed over, or refused as the gateway itself would. */
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { beforeEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { Problem } from "../../src/api/errors.ts";
import { listenForForwarded } from "../../src/tunnel/forward.ts";
import { type Peer, Router, type RouterOptions } from "../../src/tunnel/router.ts";
import { cleanups, given, HEADERS, open, refusal } from "./gateway-scene.ts";
import { ID, type Rig, TOKEN } from "./rig.ts";

const PATH = `/v1/tunnel/${ID}?port=22&node=0`;
const MIB = 1024 * 1024;
const again = (session: string, attempt = 2): Record<string, string> => ({
  "gpu-dev-session": session,
  "gpu-dev-received": "0",
  "gpu-dev-attempt": String(attempt),
});
const unknown = `feedbeef.${"0".repeat(32)}`;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "gd-door-"));
  cleanups.push(() => rmSync(dir, { recursive: true }));
});

type OnUpgrade = Parameters<typeof listenForForwarded>[1];

async function door(name: string, onUpgrade: OnUpgrade): Promise<Peer> {
  const address = join(dir, `${name}.sock`);
  cleanups.push(await listenForForwarded(address, onUpgrade));
  return { name, address, open: true };
}

const doorOf = ({ gateway }: Rig): Promise<Peer> =>
  door("gw", (request, socket, head) => gateway.handleUpgrade(request, socket, head));

/** A process that has no gateway, or another one. */
async function front(
  options: Partial<RouterOptions> = {},
): Promise<{ url: string; port: number; logs: string[]; refused: string[] }> {
  const [logs, refused] = [[] as string[], [] as string[]];
  const router = new Router({
    gateway: undefined,
    name: "front",
    admit: async ({ token }) => {
      if (token !== TOKEN) throw new Problem("not_logged_in", "the token is not valid");
    },
    peers: async () => [],
    log: (fields, message) => logs.push(JSON.stringify({ ...fields, message })),
    refused: (code) => refused.push(code),
    ...options,
  });
  const server = http.createServer();
  server.on("upgrade", (request, socket, head) => router.handleUpgrade(request, socket, head));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  cleanups.push(() => {
    router.close();
    server.close();
  });
  return { url: `http://127.0.0.1:${port}`, port, logs, refused };
}

test("T-11 a new tunnel goes to a gateway that takes some, and comes back to it by any way", async () => {
  const { rig, pod } = await given();
  const peer = await doorOf(rig);
  const elsewhere = { name: "full", address: join(dir, "nobody.sock"), open: false };
  const { url } = await front({ peers: async () => [elsewhere, peer] });
  const { ws, headers } = await open({ ...rig, url });
  pod.accepted[0]?.write("hello");
  expect(String((await once(ws, "message"))[0])).toBe("hello");
  ws.terminate();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  const other = await front({ peers: async () => [peer] });
  const back = new WebSocket(other.url.replace("http", "ws") + PATH, "gpu-dev.tunnel.v1", {
    headers: { ...again(String(headers["gpu-dev-session"])), authorization: `Bearer ${TOKEN}` },
  });
  expect(String((await once(back, "message"))[0])).toBe("hello");
  back.close();
});

test("T-11 the session of a gateway that drains is still reached, and a new one is not sent there", async () => {
  const { rig } = await given();
  const peer = { ...(await doorOf(rig)), open: false };
  const { url } = await front({ peers: async () => [peer] });
  const { headers } = await open(rig);
  const back = new WebSocket(url.replace("http", "ws") + PATH, "gpu-dev.tunnel.v1", {
    headers: { ...again(String(headers["gpu-dev-session"])), authorization: `Bearer ${TOKEN}` },
  });
  await once(back, "open");
  back.terminate();
  const { status, body, headers: answer } = await refusal({ ...rig, url }, PATH);
  expect([status, body.code, answer["retry-after"]]).toEqual([503, "draining", "2"]);
});

test("T-06 T-11 a session whose gateway is unknown or dead is gone; a new one finds another gateway", async () => {
  const { rig } = await given();
  const dead = { name: "feedbeef", address: join(dir, "dead.sock"), open: true };
  const killed = { name: "feedbeef", address: join(dir, "killed.sock"), open: true };
  writeFileSync(killed.address, "");
  for (const peers of [[], [dead], [killed]]) {
    const { url, refused } = await front({ peers: async () => peers });
    const { status, body } = await refusal({ ...rig, url }, PATH, again(unknown));
    expect([status, body.code]).toEqual([410, "session_gone"]);
    expect(refused).toEqual(["session_gone"]);
  }
  const alive = await doorOf(rig);
  const { url } = await front({ peers: async () => [dead, killed, alive] });
  (await open({ ...rig, url })).ws.terminate();
});

test("T-07 T-06 who is not allowed is told so before anybody else is asked", async () => {
  const { rig } = await given();
  let asked = 0;
  const peers = async (): Promise<Peer[]> => {
    asked += 1;
    return [];
  };
  const { url, logs } = await front({ peers });
  const wrong = { authorization: "Bearer somebody-else" };
  expect(await refusal({ ...rig, url }, PATH, wrong)).toMatchObject({ status: 401 });
  expect(await refusal({ ...rig, url }, PATH, { ...again(unknown), ...wrong })).toMatchObject({
    status: 401,
  });
  for (const bad of [
    "",
    ".",
    "x",
    `../../gw.${"0".repeat(32)}`,
    `gw.${"0".repeat(31)}`,
    `a/b.${"0".repeat(32)}`,
  ])
    expect(await refusal({ ...rig, url }, PATH, again(bad))).toMatchObject({
      status: 400,
      body: { code: "invalid_input" },
    });
  expect(asked).toBe(0);
  expect(logs.join("")).not.toContain(TOKEN);
});

test("a database that does not answer, and a gateway that does not, are told as such and may be tried again", async () => {
  const { rig } = await given();
  const { url } = await front({
    peers: async () => Promise.reject(new Problem("unavailable", "the database does not answer now")),
  });
  expect(await refusal({ ...rig, url }, PATH)).toMatchObject({ status: 503, body: { code: "unavailable" } });
  const broken = await front({ peers: async () => Promise.reject(new Error("secret words")) });
  const { status, body } = await refusal({ ...rig, url: broken.url }, PATH);
  expect([status, JSON.stringify(body).includes("secret")]).toEqual([503, false]);
});

test("what came through a door goes no further, so that there are no loops", async () => {
  const { rig } = await given();
  const peer = await doorOf(rig);
  // Both think that the other one has it.
  const { url } = await front({ peers: async () => [{ ...peer, name: "feedbeef" }] });
  expect(await refusal({ ...rig, url }, PATH, again(unknown))).toMatchObject({
    status: 410,
    body: { code: "session_gone" },
  });
});

test("a door takes tunnels and nothing else", async () => {
  const { rig } = await given();
  const { address } = await doorOf(rig);
  const request = http.request({ socketPath: address, path: "/v1/reservations" }).end();
  const [response] = (await once(request, "response")) as [http.IncomingMessage];
  response.resume();
  expect(response.statusCode).toBe(404);
  const strange = http.request({ socketPath: address, path: "/v1/other", headers: HEADERS }).end();
  const [refused] = (await once(strange, "response")) as [http.IncomingMessage];
  refused.resume();
  expect(refused.statusCode).toBe(404);
});

test("O-03 the gateway knows the client's own address, whatever the client says about it", async () => {
  const { rig } = await given();
  const peer = await doorOf(rig);
  const { url } = await front({ peers: async () => [peer] });
  const ws = new WebSocket(url.replace("http", "ws") + PATH, "gpu-dev.tunnel.v1", {
    headers: {
      authorization: `Bearer ${TOKEN}`,
      "gpu-dev-attempt": "1",
      "Gpu-Dev-Remote-Address": "10.9.9.9",
    },
    localAddress: "127.0.0.5",
  });
  await once(ws, "open");
  ws.terminate();
  expect(rig.logs.find((line) => line.includes("tunnel opened"))).toContain('"remote_address":"127.0.0.5"');
});

/** Connects and asks for a tunnel, without a WebSocket around it. */
async function raw(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1" });
  const headers = Object.entries({ host: "x", ...HEADERS }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`GET ${PATH} HTTP/1.1\r\n${headers.join("")}\r\n`);
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((next) => setTimeout(next, 1));
};

test.each(["down", "up"] as const)(
  "T-09 a reader that stops stops the writer, %s, and every byte arrives",
  async (way) => {
    const taken = Promise.withResolvers<Duplex>();
    const peer = await door("gw", (_, socket) => taken.resolve(socket));
    const { port } = await front({ peers: async () => [peer] });
    const client = await raw(port);
    const gateway = (await taken.promise) as Socket;
    const [from, to] = way === "down" ? [gateway, client] : [client, gateway];
    to.pause();
    const chunk = Buffer.alloc(MIB, "x");
    for (let i = 0; i < 64; i++) from.write(chunk);
    await turns(200);
    expect(from.bytesWritten - from.writableLength).toBeLessThan(32 * MIB);
    let heard = 0;
    to.on("data", (part: Buffer) => {
      heard += part.length;
    });
    to.resume();
    from.end();
    await once(to, "end");
    expect(heard).toBe(64 * MIB);
    to.end();
    await Promise.all([from, to].map((socket) => socket.destroyed || once(socket, "close")));
  },
);

test("T-01 an end of either side is the end of the other, by a break too", async () => {
  const sockets: Socket[] = [];
  const peer = await door("gw", (_, socket) => sockets.push(socket as Socket));
  const { port } = await front({ peers: async () => [peer] });
  for (const break_ of ["resetAndDestroy", "destroy"] as const) {
    const client = await raw(port);
    await expect.poll(() => sockets.length).toBe(1);
    const gateway = sockets.pop() as Socket;
    gateway.on("error", () => undefined);
    gateway.resume();
    client[break_]();
    if (!gateway.destroyed) await once(gateway, "end").then(() => gateway.destroy());
  }
  const client = await raw(port);
  await expect.poll(() => sockets.length).toBe(1);
  client.resume();
  const closed = once(client, "close");
  sockets.pop()?.destroy();
  await closed;
});

test("T-11 a process that stops cuts what it handed over, and hands over no more", async () => {
  const { rig } = await given();
  const peer = await doorOf(rig);
  const gates: (() => void)[] = [];
  let router: Router | undefined;
  const server = http.createServer();
  server.on("upgrade", (request, socket, head) => router?.handleUpgrade(request, socket, head));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanups.push(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  let held = false;
  router = new Router({
    gateway: undefined,
    name: "front",
    admit: async () => undefined,
    peers: async () => {
      if (held) await new Promise<void>((go) => gates.push(go));
      return [peer];
    },
    log: () => undefined,
    refused: () => undefined,
  });
  const { ws } = await open({ ...rig, url });
  held = true;
  const late = refusal({ ...rig, url }, PATH);
  await expect.poll(() => gates.length).toBe(1);
  const cut = once(ws, "close");
  router.close();
  await cut;
  gates[0]?.();
  expect(await late).toMatchObject({ status: 503, body: { code: "draining" } });
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  expect(existsSync(peer.address)).toBe(true);
});
