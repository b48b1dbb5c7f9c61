/** The ssh-proxy as a process, without ssh around it: what goes in and comes out, byte by byte. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { Problem } from "../../src/api/errors.ts";
import { FakeClock } from "./fake-clock.ts";
import { ID, outcome, pointTo } from "./rig.ts";
import { given, listen, start } from "./scene.ts";

/** One second is the promise; this tells hanging from a busy machine. */
const HANGING_MS = 25_000;

const SIZE = 64 * 1024 * 1024;
const CHUNK = Buffer.alloc(1024 * 1024, "gpu-dev moves bytes. ");

/** Numbered, so that a lost, doubled or swapped piece shows in the sum. */
function* payload(): Generator<Buffer> {
  for (let i = 0; i < SIZE / CHUNK.length; i++) {
    const piece = Buffer.from(CHUNK);
    piece.writeUInt32BE(i);
    yield piece;
  }
}

const sumOf = (parts: Iterable<Buffer>): string => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};
const SUM = sumOf(payload());

/** A gateway that answers 101 and is frozen from then on: nothing is read, nothing is said. */
async function frozenGateway(): Promise<{ url: string; opened: Promise<unknown> }> {
  const wss = new WebSocketServer({ noServer: true });
  wss.on("headers", (headers) => {
    headers.push("gpu-dev-session: x", "gpu-dev-received: 0", "gpu-dev-window: 8388608");
  });
  const server = createServer();
  const opened = new Promise((resolve) => {
    server.on("upgrade", (request, socket, head) => {
      wss.handleUpgrade(request, socket, head, (ws) => {
        ws.pause();
        resolve(ws);
      });
    });
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, opened };
}

test("T-01 T-02 all of 64 MiB arrive when the pod closes first, and the proxy exits though stdin stays open", async () => {
  const { rig } = await given((socket) => void pipeline(payload, socket));
  const child = start(rig);
  const end = await outcome(child);
  expect(sumOf([end.stdout])).toBe(SUM);
  expect([end.code, end.stderr]).toEqual([0, ""]);
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-02 all of 64 MiB arrive when stdin ends first, and the reply to it too", async () => {
  const { rig } = await given((socket) => {
    const hash = createHash("sha256");
    socket.on("data", (data) => hash.update(data)).on("end", () => socket.end(hash.digest("hex")));
  });
  const child = start(rig);
  const ended = outcome(child);
  await pipeline(payload, child.stdin as NodeJS.WritableStream);
  expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: Buffer.from(SUM) });
});

test("T-02 all of 64 MiB arrive when stdin ended before the dial", async () => {
  const { rig } = await given((socket) => void pipeline(payload, socket));
  const end = await outcome(start(rig, { stdio: ["ignore", "pipe", "pipe"] }));
  expect(sumOf([end.stdout])).toBe(SUM);
  expect([end.code, end.stderr]).toEqual([0, ""]);
});

test("T-02 a reader that starts late still gets every byte of a pod that is long gone", async () => {
  const { rig, pod } = await given((socket) => socket.end(Buffer.concat([...payload()].slice(0, 7))));
  const child = start(rig, { stdio: ["ignore", "pipe", "pipe"] });
  await expect.poll(() => pod.accepted[0]?.destroyed).toBe(true);
  expect(child.exitCode).toBeNull();
  const end = await outcome(child);
  expect(sumOf([end.stdout])).toBe(sumOf([...payload()].slice(0, 7)));
  expect([end.code, end.stderr]).toEqual([0, ""]);
});

test("T-08 T-05 the end of the reservation in mid-session is one line on stderr, after the bytes before it", async () => {
  const { rig } = await given((socket) => socket.write("before"));
  const child = start(rig);
  const ended = outcome(child);
  await once(child.stdout as NodeJS.ReadableStream, "readable");
  rig.gateway.endReservation(
    ID,
    new Problem("reservation_ended", "it expired at 12:00", { hint: "reserve again" }),
  );
  expect(await ended).toMatchObject({
    code: 255,
    stdout: Buffer.from("before"),
    stderr: "gpu-dev: the server ended the tunnel: it expired at 12:00; reserve again (reservation_ended)\n",
  });
});

test("T-01 a gateway that was restarted in mid-session is one line and exit 255, never a clean end", async () => {
  const { rig } = await given((socket) => socket.write("hello"));
  const { rig: restarted } = await given();
  const upgraded = once(rig.server, "upgrade");
  const child = start(rig);
  const ended = outcome(child);
  const [, socket] = (await upgraded) as [unknown, Socket];
  await once(child.stdout as NodeJS.ReadableStream, "readable");
  pointTo(rig.home, restarted.url);
  socket.destroy();
  const { code, stderr } = await ended;
  expect(code).toBe(255);
  expect(stderr).toBe(
    "gpu-dev: The tunnel's session is gone: the server does not know it: it was restarted, or a long time has passed; connect again\n",
  );
});

test("a pod whose connection breaks is told apart from one that ended", async () => {
  const { rig, pod } = await given((socket) => socket.write("half a sen"));
  const child = start(rig);
  const ended = outcome(child);
  await once(child.stdout as NodeJS.ReadableStream, "readable");
  pod.accepted[0]?.resetAndDestroy();
  const { code, stdout, stderr } = await ended;
  expect([code, stdout.toString()]).toEqual([255, "half a sen"]);
  expect(stderr).toBe(
    "gpu-dev: the server ended the tunnel: the connection to the pod broke (read ECONNRESET) (pod_lost)\n",
  );
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test.each(["SIGTERM", "SIGHUP"] as const)(
  "T-13 %s ends an open tunnel quietly, and the gateway hears of it",
  async (signal) => {
    const { rig } = await given((socket) => socket.write("hello"));
    const child = start(rig);
    const ended = outcome(child);
    await once(child.stdout as NodeJS.ReadableStream, "readable");
    child.kill(signal);
    expect(await ended).toMatchObject({ signal, stderr: "" });
    await expect.poll(() => rig.gateway.count()).toBe(0);
    expect(rig.logs.at(-1)).toContain('"kind":"bye","code":"hangup"');
  },
);

test.each(["SIGTERM", "SIGHUP", "the end of stdin"] as const)(
  "T-13 %s ends it quietly while it is still connecting",
  async (how) => {
    const { rig } = await given();
    const asked = Promise.withResolvers<Socket>();
    pointTo(rig.home, `http://127.0.0.1:${await listen(createTcpServer(asked.resolve))}`);
    const child = start(rig);
    const ended = outcome(child);
    await asked.promise;
    const since = Date.now();
    if (how === "the end of stdin") child.stdin?.end();
    else child.kill(how);
    const { stderr, stdout, code } = await ended;
    expect([stderr, stdout.length]).toEqual(["", 0]);
    expect(code).not.toBe(0);
    expect(Date.now() - since).toBeLessThan(HANGING_MS);
  },
);

test.each(["SIGTERM", "SIGHUP", "the end of stdin"] as const)(
  "T-13 %s ends it quietly while the gateway is frozen and 1 MiB is unsent",
  async (how) => {
    const { rig } = await given();
    const { url, opened } = await frozenGateway();
    pointTo(rig.home, url);
    const child = start(rig);
    const ended = outcome(child);
    await opened;
    for (let i = 0; i < 6; i++) child.stdin?.write(CHUNK);
    await expect.poll(() => child.stdin?.writableLength).toBe(0);
    const since = Date.now();
    if (how === "the end of stdin") child.stdin?.end();
    else child.kill(how);
    const { stderr, stdout, code } = await ended;
    expect([stderr, stdout.length]).toEqual(["", 0]);
    expect(code).not.toBe(0);
    expect(Date.now() - since).toBeLessThan(HANGING_MS);
  },
);

test("T-13 a reader that closes stdout ends it quietly", async () => {
  const { rig, pod } = await given((socket) => socket.write("first"));
  const child = start(rig);
  const ended = outcome(child);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.stdout?.destroy();
  pod.accepted[0]?.write("second");
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-13 SIGINT is ssh's business: the tunnel goes on", async () => {
  const { rig } = await given((socket) => socket.pipe(socket));
  const child = start(rig);
  const ended = outcome(child);
  for (const word of ["before", "after"]) {
    child.stdin?.write(word);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGINT");
  }
  child.stdin?.end();
  expect(await ended).toMatchObject({ code: 0, stderr: "" });
});

test("T-01 a proxy that is killed (-9) leaves nothing at the gateway or the pod once its window is over", async () => {
  const clock = new FakeClock();
  const serve = (socket: Socket): void => {
    socket.write("hello");
    socket.resume().on("end", () => socket.end());
  };
  const { rig, pod } = await given(serve, { clock });
  const child = start(rig);
  await once(child.stdout as NodeJS.ReadableStream, "readable");
  child.kill("SIGKILL");
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  expect(rig.gateway.count()).toBe(1);
  clock.tick(5 * 60_000);
  await expect.poll(() => rig.gateway.count()).toBe(0);
  await expect.poll(() => pod.accepted[0]?.destroyed).toBe(true);
});
