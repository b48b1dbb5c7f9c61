/** The first dial: what may pass is waited for, what will not is told at once. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { createServer as createTcpServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { type ErrorCode, Problem } from "../../src/api/errors.ts";
import { TunnelFailure } from "../../src/tunnel/failure.ts";
import { freePort } from "../helpers/free-port.ts";
import { pass, startClient } from "./client-scene.ts";
import { TOKEN } from "./rig.ts";
import { given, listen } from "./scene.ts";

const greet = (socket: Socket): unknown => socket.write("hello");

/** A server in front of the gateway that answers with these first; undefined lets the dial through. */
async function answering(
  refusals: (Problem | number)[],
  otherwise?: Problem,
): Promise<{ url: string; dials: number[] }> {
  const { rig } = await given(greet);
  const dials: number[] = [];
  const server: Server = createServer();
  server.on("upgrade", (request, socket, head) => {
    dials.push(Number(request.headers["gpu-dev-attempt"]));
    const refused = refusals.shift() ?? otherwise;
    if (refused === undefined) return rig.gateway.handleUpgrade(request, socket, head);
    const [status, body] = refused instanceof Problem ? [refused.status, refused.document()] : [refused, "?"];
    const type = refused instanceof Problem ? "application/problem+json" : "text/html";
    const after = refused instanceof Problem ? `Retry-After: ${refused.retryAfter ?? 0}\r\n` : "";
    socket.end(`HTTP/1.1 ${status} X\r\nContent-Type: ${type}\r\n${after}\r\n${JSON.stringify(body)}`);
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, dials };
}

test.each<[string, Problem | number]>([
  ["429", new Problem("too_many_tunnels", "x")],
  ["502", new Problem("pod_unreachable", "x")],
  ["503", new Problem("draining", "x")],
  ["502 of a proxy", 502],
  ["503 of a proxy", 503],
  ["504 of a proxy", 504],
  ["409 not_ready", new Problem("not_ready", "x")],
])("T-12 %s is dialled again, with growing attempts, and then the bytes flow", async (_, refused) => {
  const { url, dials } = await answering([refused, refused, refused]);
  const started = startClient(url);
  await pass(started, () => started.stdout.readableLength > 0);
  expect(started.stdout.read().toString()).toBe("hello");
  expect(dials).toEqual([1, 2, 3, 4]);
  expect(started.waits).toHaveLength(3);
});

test.each<ErrorCode>([
  "not_logged_in",
  "not_allowed",
  "not_found",
  "reservation_ended",
  "invalid_input",
  "internal",
])("T-12 %s is told at once", async (code) => {
  const { url, dials } = await answering([], new Problem(code, "no", { retryAfter: 1 }));
  const started = startClient(url);
  await expect.poll(() => started.end?.exitCode).toBe(255);
  expect(dials).toEqual([1]);
  expect(started.waits).toEqual([]);
});

test("T-12 Retry-After is waited for", async () => {
  const { url, dials } = await answering([new Problem("draining", "x", { retryAfter: 7 })]);
  const started = startClient(url);
  await expect.poll(() => started.waits.length).toBe(1);
  expect(await pass(started, () => dials.length === 2)).toBeGreaterThanOrEqual(7_000);
});

test("T-12 after 30 s the last refusal is told", async () => {
  const { url, dials } = await answering([], new Problem("too_many_tunnels", "the limit is 3"));
  const started = startClient(url);
  const waited = await pass(started, () => started.end !== undefined);
  expect(waited).toBeGreaterThanOrEqual(29_000);
  expect(waited).toBeLessThan(40_000);
  expect(started.end?.message).toBe("Too many tunnels: the limit is 3; close one, then try again");
  expect(dials.length).toBeGreaterThan(6);
  expect(dials.length).toBeLessThan(25);
});

test("T-12 a reservation that is being prepared is waited for, up to 5 minutes, each phase told", async () => {
  const { url, dials } = await answering(
    [
      new Problem("not_ready", "it is queued"),
      new Problem("not_ready", "it is preparing: pulling the image"),
    ],
    new Problem("not_ready", "it is preparing: waiting for ssh"),
  );
  const started = startClient(url);
  const waited = await pass(started, () => started.end !== undefined, { step: 500 });
  expect(waited).toBeGreaterThanOrEqual(299_000);
  expect(waited).toBeLessThan(315_000);
  expect(started.waits[0]).toContain("queued");
  expect(started.waits[1]).toContain("pulling the image");
  expect(started.end?.message).toContain("waiting for ssh");
  expect(dials.length).toBeLessThan(150);
});

test.each([3, 600])(
  "T-12 a wait of %d s that was asked for is the wait, also while it is being prepared",
  async (seconds) => {
    const { url } = await answering([], new Problem("not_ready", "it is preparing"));
    const started = startClient(url, { setUpMs: seconds * 1000 });
    const waited = await pass(started, () => started.end !== undefined, { step: 500, most: 700_000 });
    expect(waited).toBeGreaterThanOrEqual(seconds * 1000 - 1000);
    expect(waited).toBeLessThan(seconds * 1000 + 15_000);
  },
);

test("T-12 a server that is not there yet is dialled until it is", async () => {
  const port = await freePort();
  const started = startClient(`http://127.0.0.1:${port}`);
  await expect.poll(() => started.waits.at(-1)).toContain("ECONNREFUSED");
  const { rig } = await given(greet);
  const late = createServer().on("upgrade", (...args) => rig.gateway.handleUpgrade(...args));
  await once(late.listen(port, "127.0.0.1"), "listening");
  await pass(started, () => started.stdout.readableLength > 0);
  late.close();
});

test("T-12 a name that is not found yet is asked for again", async () => {
  const { rig } = await given(greet);
  const urls = ["http://nowhere.invalid", rig.url];
  const server = () => ({
    url: urls.length > 1 ? (urls.shift() as string) : rig.url,
    token: TOKEN,
    origin: "a test",
  });
  const started = startClient(rig.url, { server });
  await pass(started, () => started.stdout.readableLength > 0);
  expect(started.waits[0]).toContain("no address found for nowhere.invalid");
});

test("T-12 a server that takes the connection and says nothing is given 20 s, with TLS and without", async () => {
  for (const scheme of ["http", "https"]) {
    let connections = 0;
    const port = await listen(createTcpServer(() => void connections++));
    const started = startClient(`${scheme}://127.0.0.1:${port}`);
    await expect.poll(() => connections).toBe(1);
    const waited = await pass(started, () => connections === 2);
    expect(waited).toBeGreaterThanOrEqual(20_000);
    expect(started.waits).toEqual([expect.stringContaining("ETIMEDOUT")]);
  }
});

test("T-12 a certificate that is not trusted, and a server that is none of ours, are told at once", async () => {
  const plain = await listen(createTcpServer((socket) => socket.end("SSH-2.0-not-tls\r\n")));
  const foreign = await listen(createServer((_, response) => response.end("<html>")));
  for (const url of [`https://127.0.0.1:${plain}`, `http://127.0.0.1:${foreign}`]) {
    const started = startClient(url);
    await expect.poll(() => started.end?.exitCode).toBe(255);
    expect(started.waits).toEqual([]);
  }
});

test("T-12 what has to be looked up first is looked up again", async () => {
  const { rig } = await given(greet);
  let asked = 0;
  const pod = async () => {
    asked += 1;
    if (asked < 3) throw new TunnelFailure("Not ready yet", { prospect: { passing: true, preparing: true } });
    return { reservation: "abcdefghijklmnopqrst", node: 0 };
  };
  const started = startClient(rig.url, { pod });
  await pass(started, () => started.stdout.readableLength > 0);
  expect(asked).toBe(3);
});

test("T-13 T-12 the end of stdin between two dials makes one more, and then it is told", async () => {
  const { url, dials } = await answering([], new Problem("draining", "x", { retryAfter: 20 }));
  const started = startClient(url);
  await expect.poll(() => started.waits.length).toBe(1);
  started.stdin.end();
  await expect.poll(() => started.end?.exitCode).toBe(255);
  expect(dials).toEqual([1, 2]);
  expect(started.world.clock.now()).toBe(0);
});
