import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Server } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Fetch } from "../../src/api/client.ts";
import { type ErrorCode, Problem } from "../../src/api/errors.ts";
import { type HttpProxy, proxyFor } from "../../src/api/proxy.ts";
import { lightFetch } from "../../src/cli/http/http.ts";
import { withRetries } from "../../src/cli/http/retry.ts";
import { proxyFetch } from "../../src/cli/http/undici-fetch.ts";

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => new Promise((resolve) => void server.close(() => resolve())));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serve = (answer: RequestListener): Promise<string> => listening(createServer(answer));
const get = { method: "GET", headers: {} };

test("a request arrives whole and its answer comes back whole, on a connection of its own", async () => {
  const url = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      response.setHeader(
        "x-seen",
        `${request.method} ${request.headers.connection} ${request.headers["content-length"]}`,
      );
      response.writeHead(201).end(Buffer.concat(chunks).toString().toUpperCase().repeat(1000));
    });
  });
  const reply = await lightFetch()(url, {
    method: "POST",
    headers: { "content-type": "text/plain" },
    body: "häl",
  });
  expect(reply.status).toBe(201);
  expect(reply.headers.get("X-Seen")).toBe("POST close 4");
  expect(await reply.text()).toBe("HÄL".repeat(1000));
});

test("an answer that never ends is cut off in time, and one that is too large at its bound", async () => {
  const silent = await listening(createTcpServer((socket) => socket.resume()));
  await expect(lightFetch({ timeoutMs: 50, maxBytes: 10 })(silent, get)).rejects.toMatchObject({
    code: "ETIMEDOUT",
  });
  const trickle = await serve((_, response) => void response.write("x"));
  await expect(lightFetch({ timeoutMs: 50, maxBytes: 10 })(trickle, get)).rejects.toThrow();
  const large = await serve((_, response) => void response.end("x".repeat(11)));
  await expect(lightFetch({ timeoutMs: 5000, maxBytes: 10 })(large, get)).rejects.toMatchObject({
    code: "ERR_TOO_LARGE",
  });
});

test("C-27 a body that is cut is an error, not a short answer", async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half", () => response.destroy());
  });
  await expect(lightFetch()(url, get)).rejects.toMatchObject({ code: "ECONNRESET" });
});

test("a request can be called off", async () => {
  const url = await serve(() => undefined);
  const controller = new AbortController();
  const request = lightFetch()(url, { ...get, signal: controller.signal });
  controller.abort();
  await expect(request).rejects.toMatchObject({ name: "AbortError" });
});

/** A status, with what Retry-After says, and the code of a problem; or the code of a socket's error. */
type Scripted = number | string | readonly [status: number, retryAfter: string | null, code?: ErrorCode];

/** Answers in order; counts the attempts and the pauses. */
function scripted(...answers: Scripted[]) {
  const pauses: number[] = [];
  let attempts = 0;
  const fetch: Fetch = async () => {
    const answer = answers[attempts++];
    if (typeof answer === "string" || answer === undefined)
      throw Object.assign(new Error("x"), { code: answer });
    const [status, after, code] = typeof answer === "number" ? [answer, null] : answer;
    return {
      status,
      headers: { get: (name) => (name === "retry-after" ? after : null) },
      text: async () => (code ? JSON.stringify(new Problem(code, "no").document()) : "<html>"),
    };
  };
  const clock = { now: () => new Date(0), sleep: async (ms: number) => void pauses.push(ms) };
  const retrying = withRetries(fetch, { clock, random: () => 0.5, onRetry: () => undefined });
  return { retrying, pauses, attempts: () => attempts };
}

test.each([
  ["GET", {}, [503, 502, 429, 200], 4, [100, 200, 400]],
  ["GET", {}, [503, 503, 503, 503], 4, [100, 200, 400]],
  ["GET", {}, ["ECONNRESET", 200], 2, [100]],
  ["GET", {}, [[503, "3"], 200], 2, [3000]],
  ["GET", {}, [[503, "60"]], 1, []],
  ["GET", {}, [[503, "0"], 200], 2, [100]],
  ["GET", {}, [500], 1, []],
  ["GET", {}, [404], 1, []],
  ["POST", { "idempotency-key": "k" }, [503, "ECONNRESET", 201], 3, [100, 200]],
  ["POST", {}, [503], 1, []],
  ["PATCH", {}, [502], 1, []],
  ["PATCH", {}, [[429, "2", "rate_limited"], 200], 2, [2000]],
  ["PATCH", {}, [[503, null, "draining"], 200], 2, [100]],
  ["PATCH", {}, [[503, null, "unavailable"]], 1, []],
  ["GET", {}, [[429, null, "not_allowed"]], 1, []],
  ["GET", {}, [[408, null, "request_timeout"], 200], 2, [100]],
  ["GET", {}, [[409, "1", "disk_busy"]], 1, []],
] as const)(
  "A-17 %s %j answered with %j takes %d attempts",
  async (method, headers, answers, attempts, pauses) => {
    const { retrying, pauses: slept, attempts: made } = scripted(...answers);
    await retrying("http://x", { method, headers });
    expect(made()).toBe(attempts);
    expect(slept).toEqual(pauses);
  },
);

test("a refused connection carried nothing and is tried again even for a PATCH; a broken one is not", async () => {
  const refused = scripted("ECONNREFUSED", 200);
  await refused.retrying("http://x", { method: "PATCH", headers: {} });
  expect(refused.attempts()).toBe(2);
  const broken = scripted("ECONNRESET", 200);
  await expect(broken.retrying("http://x", { method: "PATCH", headers: {} })).rejects.toThrow("x");
  expect(broken.attempts()).toBe(1);
});

test("T-17 a request goes through the proxy, with its login", async () => {
  const target = await serve((_, response) => void response.end("answer"));
  const { port } = new URL(target);
  const asked: string[] = [];
  const proxy = createServer();
  proxy.on("connect", (request, socket) => {
    asked.push(request.url ?? "");
    const onward = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    onward.on("error", () => socket.destroy());
    socket.on("error", () => onward.destroy());
  });
  const logins: (string | undefined)[] = [];
  proxy.on("request", (request, response) => {
    asked.push(request.url ?? "");
    logins.push(request.headers["proxy-authorization"]);
    response.end("answer");
  });
  const env = { HTTP_PROXY: (await listening(proxy)).replace("http://", "http://ada:p%40ss@") };
  const found = proxyFor(env, `http://gpu.test:${port}`) as HttpProxy;
  const viaProxy = await proxyFetch(found)(`http://gpu.test:${port}/v1/me`, get);
  expect(await viaProxy.text()).toBe("answer");
  expect(asked).toEqual([expect.stringContaining(`gpu.test:${port}`)]);
  expect(logins).toEqual([`Basic ${Buffer.from("ada:p@ss").toString("base64")}`]);
});
