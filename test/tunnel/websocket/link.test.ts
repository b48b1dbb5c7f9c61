/** Our link against the `ws` library, which stands for everybody else's WebSocket, both ways round. */
import { type EventEmitter, once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Duplex } from "node:stream";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { handshakeFaults, switchingProtocols } from "../../../src/tunnel/websocket/handshake.ts";
import { type Masking, SocketLink } from "../../../src/tunnel/websocket/link.ts";
import { openLink } from "./open-link.ts";

const closeCode = (end: EventEmitter): Promise<number> => once(end, "close").then(([code]) => code);

interface Pair {
  readonly link: SocketLink;
  readonly socket: Socket;
  readonly peer: WebSocket;
  close(): void;
}

async function asClient(masking: Masking): Promise<Pair> {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: true });
  await once(server, "listening");
  const accepted = once(server, "connection");
  const { link, socket } = await openLink((server.address() as AddressInfo).port, masking);
  const [peer] = (await accepted) as [WebSocket];
  return { link, socket, peer, close: () => server.close() };
}

async function asServer(): Promise<Pair> {
  const server: Server = createServer();
  const upgraded = Promise.withResolvers<{ link: SocketLink; socket: Socket }>();
  server.on("upgrade", (request, socket: Socket, head) => {
    socket.write(switchingProtocols(request.headers["sec-websocket-key"] ?? "", "test.v1", []));
    upgraded.resolve({ link: new SocketLink(socket, head, "none"), socket });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const peer = new WebSocket(`ws://127.0.0.1:${port}`, "test.v1", { perMessageDeflate: true });
  const [{ link, socket }] = await Promise.all([upgraded.promise, once(peer, "open")]);
  return { link, socket, peer, close: () => server.close() };
}

const ends: [string, () => Promise<Pair>][] = [
  ["a client with masks", () => asClient("random")],
  ["a client with zero masks", () => asClient("zero")],
  ["a server", asServer],
];

describe.each(ends)("as %s", (_, open) => {
  let pair: Pair;
  let stream: Buffer[];
  let texts: string[];
  beforeEach(async () => {
    pair = await open();
    [stream, texts] = [[], []];
    pair.link.hearBytes((bytes) => stream.push(Buffer.from(bytes)));
    pair.link.on("text", (text) => texts.push(text));
  });
  afterEach(() => {
    pair.link.terminate();
    pair.peer.terminate();
    pair.close();
  });

  test("messages of every kind of length arrive, both ways", async () => {
    const sizes = [0, 1, 125, 126, 2048, 2049, 65_535, 65_536, 1_000_000];
    const payloads = sizes.map((size) => Buffer.alloc(size, size % 251));
    const heard: Buffer[] = [];
    pair.peer.on("message", (data: Buffer) => heard.push(data));
    for (const payload of payloads) pair.link.sendBytes(payload);
    await expect.poll(() => heard.length).toBe(sizes.length);
    expect(Buffer.concat(heard).equals(Buffer.concat(payloads))).toBe(true);
    for (const payload of payloads) pair.peer.send(payload);
    pair.peer.send("the last line");
    await expect.poll(() => texts).toEqual(["the last line"]);
    expect(Buffer.concat(stream).equals(Buffer.concat(payloads))).toBe(true);
  });

  test("short messages of one length wait as they are while nobody reads", async () => {
    const filler = Buffer.alloc(1_000_000);
    const short = Array.from({ length: 100 }, (_, i) => Buffer.alloc(64, i + 1));
    const heard: Buffer[] = [];
    pair.peer.on("message", (data: Buffer) => heard.push(data));
    for (const payload of short) pair.link.sendBytes(payload);
    pair.peer.pause();
    for (let i = 0; i < 20; i++) pair.link.sendBytes(filler);
    expect(pair.link.bufferedAmount).toBeGreaterThan(0);
    for (const payload of short) pair.link.sendBytes(payload);
    pair.peer.resume();
    await expect.poll(() => heard.length, { timeout: 30_000 }).toBe(220);
    expect(Buffer.concat(heard.slice(0, 100)).equals(Buffer.concat(short))).toBe(true);
    expect(Buffer.concat(heard.slice(120)).equals(Buffer.concat(short))).toBe(true);
  });

  test("what is sent is not changed, and is said to have left", async () => {
    const payload = Buffer.alloc(100_000, 7);
    const left = Promise.withResolvers<void>();
    pair.link.sendBytes(payload, left.resolve);
    await left.promise;
    expect(payload.every((byte) => byte === 7)).toBe(true);
  });

  test("fragments, texts and pings of another implementation", async () => {
    pair.peer.send("he", { fin: false });
    pair.peer.ping("between");
    pair.peer.send("llo", { fin: true });
    const [pong] = (await once(pair.peer, "pong")) as [Buffer];
    expect(pong.toString()).toBe("between");
    await expect.poll(() => texts).toEqual(["hello"]);
    const pinged = once(pair.peer, "ping");
    pair.link.ping();
    await pinged;
  });

  test("closing from here: the other end hears the code and answers it", async () => {
    const closed = Promise.all([closeCode(pair.peer), closeCode(pair.link)]);
    pair.link.close(1000);
    expect(await closed).toEqual([1000, 1000]);
    expect([pair.link.closed, pair.socket.destroyed]).toEqual([true, true]);
  });

  test("closing from there is answered", async () => {
    const closed = Promise.all([closeCode(pair.peer), closeCode(pair.link)]);
    pair.peer.close(1001);
    expect(await closed).toEqual([1001, 1001]);
  });

  test("a cut is no close", async () => {
    const closed = closeCode(pair.link);
    pair.peer.terminate();
    expect(await closed).toBe(1006);
  });

  test("a fault is told once, and what comes after it is not read", async () => {
    const faults: Error[] = [];
    pair.link.on("fault", (error) => faults.push(error));
    const raw = (pair.peer as unknown as { _socket: Socket })._socket;
    raw.write(Buffer.from([0xff, 0xff]));
    await expect.poll(() => faults.length).toBe(1);
    pair.peer.send("too late");
    const closed = once(pair.link, "close");
    raw.end();
    await closed;
    expect([faults.length, texts]).toEqual([1, []]);
  });
});

test("T-09 pings whose answers nobody reads are not answered one by one", async () => {
  const held: (() => void)[] = [];
  const socket = new Duplex({ read: () => undefined, write: (_, __, taken) => held.push(taken) });
  new SocketLink(socket, Buffer.alloc(0), "none");
  // Masked, without payload.
  for (let i = 0; i < 10_000; i++) socket.push(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
  await expect.poll(() => socket.readableLength).toBe(0);
  expect([held.length, socket.writableLength]).toEqual([1, 2]);
  held[0]?.();
  socket.push(Buffer.from([0x89, 0x80, 0, 0, 0, 0]));
  await expect.poll(() => held.length).toBe(2);
  socket.destroy();
});

test("a handshake that another answers wrongly is noticed", async () => {
  const server = createServer();
  server.on("upgrade", (_, socket: Socket) => socket.write(switchingProtocols("another key", "test.v1", [])));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  await expect(openLink((server.address() as AddressInfo).port, "zero")).rejects.toThrow("not our handshake");
  server.closeAllConnections();
  server.close();
});

test("all that is wrong with a handshake is told at once", () => {
  expect(handshakeFaults({ upgrade: "h2c", "sec-websocket-version": "8" }).map(([header]) => header)).toEqual(
    ["upgrade", "sec-websocket-version", "sec-websocket-key"],
  );
  const good = {
    upgrade: "WebSocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  expect(handshakeFaults(good)).toEqual([]);
  // RFC 6455, section 1.3.
  expect(switchingProtocols("dGhlIHNhbXBsZSBub25jZQ==", "chat", [])).toContain(
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  );
});
