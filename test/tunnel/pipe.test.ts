/** One end of the pump against a bare WebSocket that we play ourselves, on a clock that we tick. */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { PassThrough, Writable } from "node:stream";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { Pipe, type PipeOptions } from "../../src/tunnel/pipe.ts";
import { FakeClock } from "./fake-clock.ts";
import { type OpenLink, openLink } from "./websocket/open-link.ts";

const MIB = 1024 * 1024;
const WINDOW = 4 * MIB;

let clock: FakeClock;
let server: WebSocketServer;
/** The other end: what it hears, and what it says. */
let peer: WebSocket;
let heard: string[];
let bytes: Buffer[];
let mine: OpenLink;

beforeEach(async () => {
  clock = new FakeClock();
  server = new WebSocketServer({ port: 0, host: "127.0.0.1", autoPong: false });
  await once(server, "listening");
  const accepted = once(server, "connection");
  mine = await openLink((server.address() as AddressInfo).port, "random");
  [peer] = (await accepted) as [WebSocket];
  heard = [];
  bytes = [];
  peer.on("message", (data: Buffer, binary) => {
    if (binary) bytes.push(data);
    else heard.push(data.toString());
  });
  peer.on("ping", () => heard.push("ping"));
});

afterEach(async () => {
  mine.link.terminate();
  peer.terminate();
  server.close();
  await once(server, "close");
  expect(clock.pending, "a timer was left behind").toBe(0);
});

const received = (): string => Buffer.concat(bytes).toString();

function start(role: PipeOptions["role"], sink: Writable = new PassThrough()) {
  const source = new PassThrough();
  const pipe = new Pipe({ role, source, sink, clock, onBreak: (text) => pipe.lose(text) });
  pipe.attach({ ws: mine.link, socket: mine.socket, window: WINDOW });
  return { pipe, source, sink };
}

/** A sink that takes nothing until it is told to. */
function slowSink(): { sink: Writable; taken: Buffer[]; open(): void } {
  const taken: Buffer[] = [];
  const held: (() => void)[] = [];
  let isOpen = false;
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      taken.push(chunk);
      if (isOpen) done();
      else held.push(done);
    },
  });
  const open = (): void => {
    isOpen = true;
    for (const done of held.splice(0)) done();
  };
  return { sink, taken, open };
}

test("bytes of the source go out as binary messages, its end as `end <total>`", async () => {
  const { pipe, source } = start("gateway");
  source.end("hello");
  await expect.poll(() => heard).toEqual(["end 5"]);
  expect(received()).toBe("hello");
  pipe.bye("done", "that was all");
  await expect.poll(() => heard).toEqual(["end 5", "bye done that was all"]);
});

test("the client's first word is an ack, so that the gateway knows its answer arrived", async () => {
  const { pipe } = start("client");
  await expect.poll(() => heard).toEqual(["ack 0"]);
  pipe.bye("hangup", "x");
});

test("what the sink takes is acknowledged every MiB, and the rest after 100 ms", async () => {
  const { pipe, sink } = start("gateway");
  (sink as PassThrough).resume();
  peer.send(Buffer.alloc(MIB));
  await expect.poll(() => heard).toEqual([`ack ${MIB}`]);
  peer.send(Buffer.alloc(5));
  await expect.poll(() => pipe.received).toBe(MIB + 5);
  expect(heard).toHaveLength(1);
  clock.tick(100);
  await expect.poll(() => heard.at(-1)).toBe(`ack ${MIB + 5}`);
  pipe.bye("done", "x");
});

test("T-09 the source is read until the window is full, and again when the peer acknowledges", async () => {
  const { pipe, source } = start("gateway");
  source.write(Buffer.alloc(WINDOW));
  await expect.poll(() => Buffer.concat(bytes).length).toBe(WINDOW);
  source.write("more");
  expect(source.isPaused()).toBe(true);
  expect(pipe.sent).toBe(WINDOW);
  peer.send(`ack ${WINDOW}`);
  await expect.poll(() => Buffer.concat(bytes).subarray(WINDOW).toString()).toBe("more");
  expect(source.isPaused()).toBe(false);
  pipe.bye("done", "x");
});

test("T-09 nothing is acknowledged that a stopped sink has not taken, and pings are answered meanwhile", async () => {
  const { sink, open } = slowSink();
  const { pipe } = start("gateway", sink);
  for (let sent = 0; sent < WINDOW; sent += 65_536) peer.send(Buffer.alloc(65_536));
  peer.ping();
  await once(peer, "pong");
  expect(pipe.received).toBe(WINDOW);
  expect(heard).toEqual([]);
  open();
  await expect.poll(() => heard.at(-1)).toBe(`ack ${WINDOW}`);
  expect(heard.length).toBeLessThanOrEqual(WINDOW / MIB);
  pipe.bye("done", "x");
});

test("short messages of one length stay apart in a sink that only passes them on later", async () => {
  const { pipe, sink } = start("gateway");
  const letters = ["a", "b", "c"].map((letter) => letter.repeat(64));
  for (const [i, text] of letters.entries()) {
    peer.send(Buffer.from(text));
    await expect.poll(() => pipe.received).toBe(64 * (i + 1));
  }
  expect((sink as PassThrough).read().toString()).toBe(letters.join(""));
  pipe.bye("done", "x");
});

const ROLES = ["client", "forward", "gateway"] as const;

test.each(ROLES)(
  "T-10 at the %s a ping goes out every 15 s, and 60 s without a byte are a dead peer",
  async (role) => {
    const { pipe } = start(role);
    const pings = () => heard.filter((line) => line === "ping").length;
    for (let i = 1; i <= 4; i++) {
      clock.tick(15_000);
      if (i < 4) await expect.poll(pings).toBe(i);
    }
    expect(await pipe.ended).toEqual({ kind: "lost", text: "nothing was heard from the other end for 60 s" });
    expect(pings()).toBe(3);
  },
);

test.each(ROLES)("T-10 at the %s a stall of 40 s does not end the session", async (role) => {
  const { pipe } = start(role);
  for (let i = 0; i < 5; i++) {
    clock.tick(40_000);
    peer.ping();
    await once(peer, "pong");
  }
  peer.send("bye done still here");
  expect(await pipe.ended).toEqual({ kind: "bye", code: "done", text: "still here" });
});

test.each<[string, (string | Buffer)[]]>([
  ["an unknown line", ["hello"]],
  ["an ack beyond what was sent", ["ack 6"]],
  ["an ack that goes back", ["ack 5", "ack 4"]],
  ["an end that is not where the bytes ended", [Buffer.from("abc"), "end 4"]],
  ["bytes after the end", ["end 0", Buffer.from("x")]],
  ["another end", ["end 0", "end 1"]],
])("%s is `bye protocol`", async (_, messages) => {
  const { pipe, source } = start("gateway");
  source.write("12345");
  await expect.poll(received).toBe("12345");
  for (const message of messages) peer.send(message);
  expect(await pipe.ended).toMatchObject({ kind: "said", code: "protocol" });
  await expect.poll(() => heard.at(-1)).toMatch(/^bye protocol /);
});

test("more than the window is `bye protocol`", async () => {
  const { pipe } = start("gateway", slowSink().sink);
  for (let sent = 0; sent <= WINDOW; sent += 65_536) peer.send(Buffer.alloc(65_536));
  expect(await pipe.ended).toMatchObject({ kind: "said", code: "protocol" });
  expect(pipe.received).toBe(WINDOW);
});

test("T-01 the client ends when the peer's stream has ended and its sink has taken all of it", async () => {
  const { sink, taken, open } = slowSink();
  const { pipe } = start("client", sink);
  let ended = false;
  void pipe.ended.then(() => {
    ended = true;
  });
  peer.send(Buffer.from("last words"));
  peer.send("end 10");
  await expect.poll(() => pipe.received).toBe(10);
  peer.ping();
  await once(peer, "pong");
  expect(ended).toBe(false);
  open();
  expect(await pipe.ended).toEqual({ kind: "delivered" });
  expect(Buffer.concat(taken).toString()).toBe("last words");
  await expect.poll(() => heard.at(-1)).toBe("bye done delivered");
});

test("T-02 after `bye`, what was received before it still reaches the sink", async () => {
  const { sink, taken, open } = slowSink();
  const { pipe } = start("client", sink);
  for (let i = 0; i < 100; i++) peer.send(Buffer.alloc(10_000, i));
  peer.send("bye pod_lost gone");
  expect(await pipe.ended).toMatchObject({ kind: "bye", code: "pod_lost" });
  expect(pipe.waiting).toBe(1_000_000);
  open();
  await pipe.drained();
  expect(Buffer.concat(taken).length).toBe(1_000_000);
});

test("the gateway passes the client's end on as a half-close, and goes on the other way", async () => {
  const { pipe, source, sink } = start("gateway");
  const finished = once(sink, "finish");
  peer.send(Buffer.from("request"));
  peer.send("end 7");
  await finished;
  source.end("reply");
  await expect.poll(() => heard.at(-1)).toBe("end 5");
  expect((sink as PassThrough).read()?.toString()).toBe("request");
  expect(received()).toBe("reply");
  pipe.bye("done", "x");
});

test("a source that breaks is told after the bytes before it", async () => {
  const { pipe, source } = start("gateway");
  source.write(Buffer.alloc(WINDOW + 5));
  await expect.poll(() => Buffer.concat(bytes).length).toBe(WINDOW);
  source.destroy(new Error("read ECONNRESET"));
  await new Promise((closed) => source.once("close", closed));
  expect(heard).toEqual([]);
  peer.send(`ack ${WINDOW}`);
  await expect
    .poll(() => heard.at(-1))
    .toBe("bye pod_lost the connection to the pod broke (read ECONNRESET)");
  expect(Buffer.concat(bytes).length).toBe(WINDOW + 5);
  pipe.bye("done", "x");
});
