import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { createSshProbe, type Probe, type ProbeTarget } from "../../src/core/pods/probe.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { freePort } from "../helpers/free-port.ts";

const [host, own, other] = [newKeyPair(), newKeyPair(), newKeyPair()];
const user = userInfo().username;
let loginBySsh: Probe;
let dir: string;
let sshd: ChildProcess;
let port: number;

const dialPort = (to: number): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    const socket = connect(to, "127.0.0.1", () => resolve(socket));
    socket.once("error", (cause) => reject(new DriverError("connection refused", { cause })));
  });

/** A server that speaks as `speak` does, closed with the test. */
async function listen(speak: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    speak(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "gpu-dev-sshd-"));
  // What a killed server left of a login is taken away.
  await mkdir(join(dir, "scratch", "login-old"), { recursive: true });
  loginBySsh = await createSshProbe(join(dir, "scratch"));
  // Debian makes it when the service starts; root's sshd will not run without.
  if (process.getuid?.() === 0) await mkdir("/run/sshd", { recursive: true });
  port = await freePort();
  await writeFile(join(dir, "host"), host.privateKey, { mode: 0o600 });
  await writeFile(join(dir, "keys"), `restrict,command="exit 0" ${own.publicKey}\n`, { mode: 0o600 });
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(dir, "host")}`,
    `AuthorizedKeysFile ${join(dir, "keys")}`,
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
  ];
  await writeFile(join(dir, "config"), `${config.join("\n")}\n`);
  sshd = spawn("/usr/sbin/sshd", ["-D", "-f", join(dir, "config"), "-E", join(dir, "log")], {
    stdio: "ignore",
  });
  await vi.waitFor(async () => (await dialPort(port)).destroy(), { timeout: 20_000, interval: 20 });
});
afterAll(async () => {
  sshd.kill("SIGKILL");
  await rm(dir, { recursive: true });
});

const probe = (given: Partial<ProbeTarget> = {}) =>
  loginBySsh({
    dial: () => dialPort(port),
    user,
    hostKey: host.publicKey,
    privateKey: own.privateKey,
    signal: new AbortController().signal,
    ...given,
  });

describe("L-19 the first login", () => {
  test("L-19 is proved by a real ssh client against a real sshd, and leaves nothing behind", async () => {
    expect(await probe()).toEqual({ ok: true });
    expect(await readdir(join(dir, "scratch"))).toEqual([]);
  });

  test("L-19 a connection that the pod refuses is told as refused", async () => {
    const closed = await freePort();
    expect(await probe({ dial: () => dialPort(closed) })).toMatchObject({
      ok: false,
      cause: "refused",
      detail: "connection refused",
    });
  });

  test("L-19 a key that is not authorized is told as key rejected", async () => {
    expect(await probe({ privateKey: other.privateKey })).toMatchObject({ ok: false, cause: "key rejected" });
  });

  test("L-19 a server that hangs up before its banner is told as banner missing", async () => {
    const mute = await listen((socket) => socket.end());
    expect(await probe({ dial: () => dialPort(mute) })).toMatchObject({ ok: false, cause: "banner missing" });
    const web = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expect(await probe({ dial: () => dialPort(web) })).toMatchObject({ ok: false, cause: "banner missing" });
  });

  test("T-14 L-19 a pod with another host key than the one it was given is not logged in to", async () => {
    expect(await probe({ hostKey: other.publicKey })).toMatchObject({ ok: false, cause: "wrong host key" });
  });

  test("L-19 a server that says nothing is told as a timeout", async () => {
    const silent = await listen(() => undefined);
    expect(await probe({ dial: () => dialPort(silent), patienceS: 1 })).toMatchObject({
      ok: false,
      cause: "timeout",
      detail: "no login within 1 s",
    });
  });

  test("L-19 a probe whose directory another worker took away logs in all the same", async () => {
    await rm(join(dir, "scratch"), { recursive: true });
    expect(await probe()).toEqual({ ok: true });
  });

  test("L-17 a stop ends the login at once", async () => {
    const connected = Promise.withResolvers<void>();
    const silent = await listen(() => connected.resolve());
    const abort = new AbortController();
    const probing = probe({ dial: () => dialPort(silent), signal: abort.signal, patienceS: 3600 });
    await connected.promise;
    abort.abort();
    expect((await probing).ok).toBe(false);
  });
});
