import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { Hono } from "hono";
import { afterEach, expect, test } from "vitest";
import type { AppEnv } from "../../src/server/bind.ts";
import { BODY_LIMIT, readJson } from "../../src/server/body.ts";
import { type Listening, listen, rawProblem } from "../../src/server/listen.ts";
import { problemHeaders, toProblem } from "../../src/server/problems.ts";
import { isTunnel } from "../../src/server/tunnels.ts";

const open: Listening[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((l) => l.close()));
});

async function start(app = new Hono<AppEnv>(), port = 0, patienceMs = 10_000, takeOverMs = 0) {
  app.get("/hello", (c) => c.text("hello"));
  app.post("/json", async (c) => c.json(await readJson(c.req.raw)));
  app.onError((error, c) => {
    const problem = toProblem(error);
    return c.body(JSON.stringify(problem.document()), problem.status as 400, problemHeaders(problem));
  });
  const listening = await listen({
    host: "127.0.0.1",
    port,
    app,
    isTunnel,
    patienceMs,
    takeOverMs,
    upgrade: (_, socket) => socket.end("HTTP/1.1 101 Tunnel\r\n\r\n"),
  });
  open.push(listening);
  return listening;
}

const dial = async (url: string): Promise<Socket> => {
  const socket = connect(Number(new URL(url).port), "127.0.0.1");
  await once(socket, "connect");
  return socket;
};

/** Neither end is served meanwhile; what was written is with the kernel. */
const standStill = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** What the server answers to these bytes until it closes; the client only ends when `end` says so. */
async function raw(url: string, bytes: string, end = true): Promise<string> {
  const socket = await dial(url);
  let answer = "";
  socket.setEncoding("utf8").on("data", (text) => {
    answer += text;
  });
  socket.on("error", () => undefined);
  if (end) socket.end(bytes);
  else socket.write(bytes);
  // `once` of events would fail on a reset, after which it is closed all the same.
  await new Promise((resolve) => socket.once("close", resolve));
  return answer;
}

const request = (line: string, ...headers: string[]) =>
  [line, ...headers, "connection: close", "", ""].join("\r\n");

test("A-03 what is no HTTP is answered with a problem document", async () => {
  const { url } = await start();
  for (const bytes of [
    "garbage\r\n\r\n",
    "GET /hello HTTP/9.9\r\n\r\n",
    "GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
  ]) {
    const answer = await raw(url, bytes, false);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain("content-type: application/problem+json");
    expect(answer).toContain('"code":"invalid_input"');
  }
});

test("X-07 headers over their limit are refused with 431, at the limit they pass", async () => {
  const { url } = await start();
  const get = (size: number) =>
    raw(url, request("GET /hello HTTP/1.1", "host: h", `x: ${"a".repeat(size)}`), false);
  expect(await get(15_000)).toMatch(/^HTTP\/1\.1 200 /);
  const answer = await get(17_000);
  expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  expect(answer).toContain('"code":"headers_too_large"');
});

test("X-07 a body that grows over its limit while it is read is refused before its end", async () => {
  const { url } = await start();
  const head =
    "POST /json HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
  const chunk = `${BODY_LIMIT.toString(16)}\r\n${"x".repeat(BODY_LIMIT)}\r\n`;
  const answer = await raw(url, head + chunk + chunk, false);
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toContain('"code":"body_too_large"');
});

test("X-07 a request that does not arrive in time is ended with a problem document", async () => {
  const { url } = await start(new Hono<AppEnv>(), 0, 40);
  for (const part of ["GET /hello HT", "POST /json HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\n{"]) {
    const answer = await raw(url, part, false);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
    expect(answer).toContain('"code":"request_timeout"');
  }
});

test("A-17 what came in time is no late request because the server stood still meanwhile", async () => {
  const app = new Hono<AppEnv>();
  const begun = Promise.withResolvers<void>();
  app.use("/json", async (_c, next) => {
    begun.resolve();
    await next();
  });
  const { url } = await start(app, 0, 100);
  const socket = await dial(url);
  const type = "content-type: application/json";
  socket.write(
    `POST /json HTTP/1.1\r\nhost: h\r\n${type}\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{"a":`,
  );
  await begun.promise;
  socket.write('"b"}');
  standStill(400);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 200 .*\{"a":"b"\}$/s);
});

test("X-07 a request that is late is so also after others of its connection, and when the server stood still", async () => {
  const { url } = await start(new Hono<AppEnv>(), 0, 40);
  const socket = await dial(url);
  socket.write("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n");
  await once(socket, "data");
  socket.write("GET /hello HT");
  standStill(400);
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
});

test("A-03 a missing or strange Host header and an unknown expectation do no harm", async () => {
  const { url } = await start();
  expect(await raw(url, request("GET /hello HTTP/1.1"))).toMatch(/^HTTP\/1\.1 200 /);
  expect(await raw(url, request("GET /hello HTTP/1.1", "host: h", "expect: miracles"))).toMatch(
    /^HTTP\/1\.1 200 /,
  );
  const strange = await raw(url, request("GET /hello HTTP/1.1", "host: a b/c@d"));
  expect(strange).toMatch(/^HTTP\/1\.1 400 /);
  expect(strange).toContain("application/problem+json");
});

test("A-03 A-04 what is thrown and is no error at all is a 500 without words of its own", async () => {
  const app = new Hono<AppEnv>();
  app.get("/odd", () => Promise.reject("secret words"));
  const { url } = await start(app);
  const response = await fetch(`${url}/odd`);
  expect(response.status).toBe(500);
  const text = await response.text();
  expect(JSON.parse(text)).toMatchObject({ code: "internal" });
  expect(text).not.toContain("secret words");
});

test("only the tunnel's path is upgraded; the same header elsewhere is an ordinary request", async () => {
  const { url } = await start();
  const upgrade = ["host: h", "upgrade: websocket", "connection: upgrade"];
  const get = (path: string) => raw(url, [`GET ${path} HTTP/1.1`, ...upgrade, "", ""].join("\r\n"));
  expect(await get("/v1/tunnel/abc?port=22")).toMatch(/^HTTP\/1\.1 101 Tunnel/);
  expect(await get("/hello")).toMatch(/^HTTP\/1\.1 200 /);
  expect(await get("/v1/tunnel/abc/def")).toMatch(/^HTTP\/1\.1 404 /);
  expect(await get("/v1/tunnel/")).toMatch(/^HTTP\/1\.1 404 /);
});

test("a port that is taken is an error that names it and the flag", async () => {
  const { url } = await start();
  const port = Number(new URL(url).port);
  await expect(start(new Hono<AppEnv>(), port)).rejects.toThrow(
    `127.0.0.1:${port} is in use; stop what listens there or choose another with --listen HOST:PORT`,
  );
});

test("L-17 closing lets a request in hand finish, refuses new connections, and cuts what hangs", async () => {
  const app = new Hono<AppEnv>();
  const { promise: go, resolve: release } = Promise.withResolvers<void>();
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>();
  app.get("/slow", async (c) => {
    arrive();
    await go;
    return c.text("done");
  });
  const listening = await start(app);
  const idle = await dial(listening.url);
  const hanging = await dial(listening.url);
  hanging.write(
    "POST /json HTTP/1.1\r\nhost: h\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
  );
  const slow = raw(listening.url, request("GET /slow HTTP/1.1", "host: h"));
  await arrived;
  listening.stop();
  release();
  expect(await slow).toContain("done");
  await expect(dial(listening.url)).rejects.toThrow(/ECONNREFUSED/);
  for (const socket of [idle, hanging]) socket.on("error", () => undefined).resume();
  await listening.close();
  await Promise.all(
    [idle, hanging].map((s) => s.closed || new Promise((resolve) => s.once("close", resolve))),
  );
});

test("a problem on a bare socket is a whole HTTP answer", () => {
  const text = rawProblem(toProblem(new Error("secret detail")));
  const [head = "", body = ""] = text.split("\r\n\r\n");
  expect(head).toMatch(/^HTTP\/1\.1 500 Internal error\r\n/);
  expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`);
  expect(text).not.toContain("secret detail");
});

test("L-17 a port that the one before gives up is taken over", async () => {
  const before = await start();
  const { port } = new URL(before.url);
  let listens = false;
  const after = start(undefined, Number(port), undefined, 30_000).then((listening) => {
    listens = true;
    return listening;
  });
  // It has tried in vain by the time at which the one before has answered some requests.
  for (let i = 0; i < 10; i++) expect(await (await fetch(`${before.url}/hello`)).text()).toBe("hello");
  expect(listens).toBe(false);
  await before.close();
  expect((await after).url).toBe(before.url);
});
