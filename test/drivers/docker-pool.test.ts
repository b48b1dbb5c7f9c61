/** The connections to an engine over TLS: a few are kept, not for long, and each is made with the credentials of the moment. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { TlsPool } from "../../src/drivers/docker/pool.ts";
import { makeCertificates } from "../helpers/certificates.ts";
import { temporaryDirectory } from "./ssh.ts";

const MINUTE_MS = 60_000;
const PATIENCE = { timeout: 20_000 };

let dir: string;
let server: Server;
let engine: Engine;
let agent: TlsPool;
let now: number;
const open = new Set<Socket>();
/** Answers wait here while it is there. */
let held: ServerResponse[] | undefined;

const file = (name: string): string => join(dir, name);

/** The server asks for a certificate of the same authority as its own. */
function makeServer() {
  const { key, cert, authority } = makeCertificates(dir, ["127.0.0.1"]);
  return { key, cert, ca: readFileSync(authority) };
}

beforeEach(async () => {
  dir = await temporaryDirectory();
  now = 0;
  held = undefined;
  const asks = { requestCert: true, rejectUnauthorized: true };
  server = createServer({ ...makeServer(), ...asks }, (_request, response) => {
    if (held) held.push(response);
    else answer(response);
  });
  server.on("connection", (socket: Socket) => {
    open.add(socket.on("error", () => socket.destroy()));
    socket.on("close", () => open.delete(socket));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const tls = { ca: file("ca.pem"), cert: file("server.pem"), key: file("server.key") };
  agent = new TlsPool(tls, () => now);
  engine = new Engine({ secure: true, options: { agent, host: "127.0.0.1", port } });
});
afterEach(async () => {
  engine.close();
  for (const socket of open) socket.destroy();
  await once(server.close(), "close");
  await rm(dir, { recursive: true });
});

const answer = (response: ServerResponse) =>
  response.setHeader("Content-Type", "application/json").end('{"OK":true}');
const ask = () => engine.ask("GET", "/info");
/** So many lie idle: what was answered has been given back. */
const idle = (count: number) =>
  expect.poll(() => Object.values(agent.freeSockets).flat().length, PATIENCE).toBe(count);

test("B-07 one connection serves one request after the other, and is not taken up again when it is old", async () => {
  for (let i = 0; i < 3; i++) {
    expect(await ask()).toEqual({ OK: true });
    await idle(1);
  }
  const [first] = open;
  expect(open.size).toBe(1);
  now += 11 * MINUTE_MS;
  // It is free, and goes with the request that finds it old.
  await ask();
  await expect.poll(() => first && open.has(first), PATIENCE).toBe(false);
  await ask();
  expect(open.size).toBe(1);
});

test("B-07 of many connections that were needed at once a few are kept, and none when it is closed", async () => {
  held = [];
  const answers = Promise.all(Array.from({ length: 9 }, ask));
  await expect.poll(() => held?.length, PATIENCE).toBe(9);
  expect(open.size).toBe(9);
  for (const response of held) answer(response);
  await answers;
  await expect.poll(() => open.size, PATIENCE).toBe(4);
  engine.close();
  await expect.poll(() => open.size, PATIENCE).toBe(0);
});

test("B-07 credentials that were renewed count for the next connection; the old ones are not taken along", async () => {
  await ask();
  await idle(1);
  server.setSecureContext(makeServer());
  for (const socket of open) socket.destroy();
  await expect.poll(() => ask().catch(() => undefined), PATIENCE).toEqual({ OK: true });
});

test("B-07 credentials that cannot be read are said as what they are, and used as soon as they can be", async () => {
  await rename(file("server.key"), file("away"));
  await expect(ask()).rejects.toThrow("cannot be asked: TLS: ca, cert or key cannot be read (ENOENT)");
  expect(open.size).toBe(0);
  await rename(file("away"), file("server.key"));
  expect(await ask()).toEqual({ OK: true });
});
