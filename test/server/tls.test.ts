/** TLS at the port: what it shows, how that changes, and who does not hold it up. */
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { Agent } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { Hono } from "hono";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { AppEnv } from "../../src/server/bind.ts";
import { Certificate, urlBy } from "../../src/server/certificate.ts";
import { type Listening, listen } from "../../src/server/listen.ts";
import { createLogger } from "../../src/server/log.ts";
import { isTunnel } from "../../src/server/tunnels.ts";
import { type Certificates, makeCertificates } from "../helpers/certificates.ts";
import { getText } from "../helpers/https.ts";

let home: string;
let made: Record<"first" | "second", Certificates>;
const logger = createLogger("silent", { write: () => undefined });
const files = () => ({ cert: join(home, "tls.crt"), key: join(home, "tls.key") });
const put = (name: "first" | "second"): void => {
  copyFileSync(join(made[name].dir, "server.pem"), files().cert);
  copyFileSync(join(made[name].dir, "server.key"), files().key);
};

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "gd-tls-"));
  const certificates = (name: string) => {
    mkdirSync(join(home, name));
    return makeCertificates(join(home, name), ["gpu.example.com", "127.0.0.1"]);
  };
  made = { first: certificates("first"), second: certificates("second") };
});
afterAll(() => rmSync(home, { recursive: true }));

let certificate: Certificate;
const open: Listening[] = [];
beforeEach(async () => {
  put("first");
  certificate = await Certificate.open(files(), logger);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((l) => l.close()));
  certificate.close();
});

async function start(patienceMs?: number): Promise<Listening & { readonly port: number }> {
  const app = new Hono<AppEnv>();
  app.get("/hello", (c) => c.text("hello"));
  const listening = await listen({
    host: "127.0.0.1",
    port: 0,
    app,
    isTunnel,
    certificate,
    ...(patienceMs === undefined ? {} : { patienceMs }),
    upgrade: (_, socket) => socket.write("HTTP/1.1 101 Tunnel\r\n\r\n"),
  });
  open.push(listening);
  return { ...listening, port: Number(new URL(listening.url).port) };
}

const dialTls = async (port: number, ca: Certificates): Promise<TLSSocket> => {
  const socket = connect({ port, host: "127.0.0.1", ca: readFileSync(ca.authority) });
  await once(socket, "secureConnect");
  socket.on("error", () => undefined);
  return socket;
};

const hello = async (url: string, ca: Certificates, agent?: Agent): Promise<string> =>
  (await getText(`${url}/hello`, ca.authority, agent)).text;

const closed = (socket: Socket): Promise<unknown> =>
  new Promise<void>((resolve) => {
    // Not `once`, which rejects when a reset comes first.
    if (socket.closed) resolve();
    else socket.resume().on("close", () => resolve());
  });

test("X-06 it answers by TLS, and what speaks plain HTTP to it gets nothing", async () => {
  const { url, port } = await start();
  expect(url).toBe(`https://127.0.0.1:${port}`);
  expect(await hello(url, made.first)).toBe("hello");
  await expect(hello(url, made.second)).rejects.toThrow();
  const plain = connectTcp(port, "127.0.0.1");
  let answer = "";
  plain.on("data", (part) => {
    answer += part.toString("latin1");
  });
  plain.on("error", () => undefined);
  plain.write("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n");
  await closed(plain);
  expect(answer).not.toContain("hello");
});

test("X-06 a new certificate is for new connections; requests and tunnels on the old ones go on", async () => {
  const { url, port } = await start();
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  expect(await hello(url, made.first, agent)).toBe("hello");
  const tunnel = await dialTls(port, made.first);
  tunnel.write("GET /v1/tunnel/abc HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  await once(tunnel, "data");

  put("second");
  await certificate.look();
  expect(await hello(url, made.second)).toBe("hello");
  await expect(hello(url, made.first)).rejects.toThrow();
  expect(await hello(url, made.first, agent)).toBe("hello");
  expect(tunnel.writable).toBe(true);
  agent.destroy();
  tunnel.destroy();
});

test("X-07 a handshake that does not come to its end is cut in time", async () => {
  const { port } = await start(40);
  const silent = connectTcp(port, "127.0.0.1");
  silent.on("error", () => undefined);
  await closed(silent);
});

test("L-17 closing cuts handshakes and hanging requests, and leaves tunnels alone", async () => {
  const listening = await start();
  const shaking = connectTcp(listening.port, "127.0.0.1");
  await once(shaking, "connect");
  const hanging = await dialTls(listening.port, made.first);
  hanging.write("GET /hel");
  const tunnel = await dialTls(listening.port, made.first);
  tunnel.write("GET /v1/tunnel/abc HTTP/1.1\r\nhost: h\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
  await once(tunnel, "data");
  shaking.on("error", () => undefined);
  await listening.close();
  await Promise.all([closed(shaking), closed(hanging)]);
  expect([tunnel.destroyed, tunnel.writable]).toEqual([false, true]);
  tunnel.destroy();
});

test("the URL is by a name that clients find in the certificate", () => {
  const { pair } = certificate;
  expect(urlBy(pair, "https://127.0.0.1:443")).toBe("https://127.0.0.1:443");
  expect(urlBy(pair, "https://0.0.0.0:443")).toBe("https://gpu.example.com");
  expect(urlBy(pair, "https://10.0.0.1:8443")).toBe("https://gpu.example.com:8443");
  expect(urlBy(pair, "https://[::1]:8443")).toBe("https://gpu.example.com:8443");
});
