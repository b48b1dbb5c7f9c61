/** T-17: the tunnel through HTTP proxies, with TLS to the server, to the proxy, to both and to none. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createTlsServer } from "node:https";
import { createServer as createTcpServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { proxyFor } from "../../src/api/proxy.ts";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { type Certificates, makeCertificates } from "../helpers/certificates.ts";
import { freePort } from "../helpers/free-port.ts";
import { runProgram } from "../helpers/gpu-dev.ts";
import { pass, startClient } from "./client-scene.ts";
import { startConnectProxy } from "./connect-proxy.ts";
import { cleanEnv, type Ended, giveSshConfig, ID, outcome, pointTo, type Rig, TOKEN } from "./rig.ts";
import { atEnd, given as givenRig, listen, start } from "./scene.ts";
import { startSshd } from "./sshd.ts";

let dir: string;
let certificates: Certificates;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "gpu-dev-tls-"));
  certificates = makeCertificates(dir, ["gpu.test", "localhost"]);
  // For clients in this process; the ssh-proxies get NODE_EXTRA_CA_CERTS.
  setDefaultCACertificates([...getCACertificates(), readFileSync(certificates.authority, "utf8")]);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const echo = (socket: Socket): unknown => socket.pipe(socket);

/** A rig that is reached as gpu.test, a name that only the proxy knows. */
async function given(scheme: "http" | "https" = "http", serve = echo): Promise<{ rig: Rig; url: string }> {
  const { rig } = await givenRig(serve);
  const tls = createTlsServer(certificates, (...args) => rig.server.emit("request", ...args));
  tls.on("upgrade", (...args) => rig.gateway.handleUpgrade(...args));
  const url = `${scheme}://gpu.test:${scheme === "https" ? await listen(tls) : rig.port}`;
  pointTo(rig.home, url);
  return { rig, url };
}

const environment = (more: NodeJS.ProcessEnv): { env: NodeJS.ProcessEnv } => ({
  env: { ...cleanEnv(), NODE_EXTRA_CA_CERTS: certificates.authority, ...more },
});

/** What the ssh-proxy makes of `input`, which ends when the first of it has come back: before, its end would mean that nobody waits. */
async function run(rig: Rig, env: NodeJS.ProcessEnv, input: Buffer | string = ""): Promise<Ended> {
  const child = start(rig, environment(env));
  const ended = outcome(child);
  child.stdin?.on("error", () => undefined);
  child.stdin?.write(input);
  child.stdout?.once("data", () => child.stdin?.end());
  return ended;
}

test.each([
  ["http", "http", "HTTP_PROXY"],
  ["https", "http", "https_proxy"],
  ["http", "https", "http_proxy"],
  ["https", "https", "HTTPS_PROXY"],
] as const)(
  "T-17 to %s through a proxy that speaks %s, named by %s with user and password",
  async (scheme, proxyScheme, variable) => {
    const { rig, url } = await given(scheme);
    const login = "ada:p@ss w0rd";
    const proxy = await startConnectProxy({
      login,
      ...(proxyScheme === "https" ? { tls: certificates } : {}),
    });
    const bytes = randomBytes(3_000_000);
    const named = proxy.url.replace("://", "://ada:p%40ss%20w0rd@");
    const { stdout, ...end } = await run(rig, { [variable]: named }, bytes);
    expect(end).toMatchObject({ code: 0, stderr: "" });
    expect(stdout.equals(bytes)).toBe(true);
    expect(proxy.asked).toEqual([new URL(url).host]);
  },
);

test("T-17 what is looked up before the tunnel goes through the proxy, too", async () => {
  const { rig } = await given("https");
  const proxy = await startConnectProxy();
  rmSync(join(rig.home.stateDir, "known_hosts"));
  rig.replies.set(`/v1/reservations/${ID}`, {
    id: ID,
    state: "active",
    host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
  });
  const end = await run(rig, { HTTPS_PROXY: proxy.url }, "hello");
  expect(end).toMatchObject({ code: 0, stderr: "", stdout: Buffer.from("hello") });
  expect(proxy.asked).toHaveLength(2);
});

test("T-17 NO_PROXY leads past it", async () => {
  const { rig } = await given();
  const proxy = await startConnectProxy();
  const end = await run(rig, { HTTP_PROXY: proxy.url, NO_PROXY: ".test" });
  expect(end.stderr).toMatch(
    /^gpu-dev: no address found for gpu\.test \([^\n;]+\); check your network[^\n]*\n$/,
  );
  expect(proxy.asked).toEqual([]);
});

test("T-17 T-06 each failure of a proxy has its own line, which names it and never its password", async () => {
  const { rig } = await given("https");
  const [closed, garbage] = [await freePort(), await listen(createTcpServer((s) => s.end("SSH-2.0-x\r\n")))];
  const [open, strict, forbidding, broken] = [
    await startConnectProxy(),
    await startConnectProxy({ login: "ada:secret" }),
    await startConnectProxy({ status: 403 }),
    await startConnectProxy({ status: 502 }),
  ];
  const lines = [
    [
      `http://ada:hunter2@127.0.0.1:${closed}`,
      /^the proxy 127\.0\.0\.1:\d+ cannot be reached \(ECONNREFUSED\); check HTTPS_PROXY/,
    ],
    ["http://ada:hunter2@nowhere.invalid:3128", /^no address found for the proxy nowhere\.invalid:3128 \(/],
    [
      strict.url,
      /^the proxy 127\.0\.0\.1:\d+ wants a user and a password \(HTTP 407\); write them in HTTPS_PROXY/,
    ],
    [
      strict.url.replace("://", "://ada:hunter2@"),
      /^the proxy 127\.0\.0\.1:\d+ does not accept the user .* \(HTTP 407; it takes Basic realm="test"\)/,
    ],
    [forbidding.url, /^the proxy 127\.0\.0\.1:\d+ answered HTTP 403 when asked for gpu\.test:\d+;/],
    [broken.url, /^the proxy 127\.0\.0\.1:\d+ answered HTTP 502 when asked for gpu\.test:\d+;/],
    [`http://ada:hunter2@127.0.0.1:${garbage}`, /^the proxy 127\.0\.0\.1:\d+ does not answer as one: /],
    [`https://ada:hunter2@127.0.0.1:${garbage}`, /^TLS to the proxy 127\.0\.0\.1:\d+ failed: /],
    ["socks5://ada:hunter2@127.0.0.1:1", /^HTTPS_PROXY is not a proxy that can be used; write http:/],
    [
      open.url,
      /^TLS to gpu\.test:\d+ failed: .*NODE_EXTRA_CA_CERTS; the way leads through the proxy 127\.0\.0\.1:\d+ \(HTTPS_PROXY\)/,
    ],
  ] as const;
  const ends = await Promise.all(
    lines.map(([url]) => run(rig, { HTTPS_PROXY: url, NODE_EXTRA_CA_CERTS: "" })),
  );
  for (const [i, { code, stdout, stderr }] of ends.entries()) {
    expect(stderr).toMatch(/^gpu-dev: [^\n]+\n$/);
    expect(stderr.slice("gpu-dev: ".length)).toMatch(lines[i]?.[1] ?? "");
    expect(stderr).not.toContain("hunter2");
    expect([code, stdout.length]).toEqual([255, 0]);
  }
});

/** A client in this process, with a clock of its own. */
function startHere(url: string, proxyUrl: string) {
  const proxy = proxyFor({ HTTPS_PROXY: proxyUrl, HTTP_PROXY: proxyUrl }, url);
  return startClient(url, { server: () => ({ url, token: TOKEN, origin: "a test", proxy }) });
}

test("T-17 T-12 a proxy that says nothing is given 20 s, one that is down is asked again", async () => {
  let connections = 0;
  const silent = await listen(createTcpServer(() => void connections++));
  const started = startHere("https://gpu.test", `http://127.0.0.1:${silent}`);
  await expect.poll(() => connections).toBe(1);
  expect(await pass(started, () => connections === 2)).toBeGreaterThanOrEqual(20_000);
  expect(started.waits).toEqual([expect.stringMatching(/ETIMEDOUT.*the way leads through the proxy 127\.0/)]);
  const down = startHere("https://gpu.test", `http://127.0.0.1:${await freePort()}`);
  await pass(down, () => down.waits.length > 2);
  expect(down.waits[0]).toContain("the proxy 127.0.0.1");
  expect(down.end).toBeUndefined();
});

test.each(["http", "https"] as const)(
  "T-17 T-10 answered pings keep a tunnel alive to https through a proxy that speaks %s",
  async (proxyScheme) => {
    const { rig, url } = await given("https");
    const proxy = await startConnectProxy(proxyScheme === "https" ? { tls: certificates } : {});
    const started = startHere(url, proxy.url);
    started.stdin.write("before");
    await expect.poll(() => started.stdout.read()?.toString()).toBe("before");
    for (let minutes = 0; minutes < 5; minutes += 1 / 4) {
      const before = proxy.down;
      started.world.time += 15_000;
      started.world.clock.tick(15_000);
      await expect.poll(() => proxy.down).toBeGreaterThan(before);
    }
    started.stdin.write("after");
    await expect.poll(() => started.stdout.read()?.toString()).toBe("after");
    expect(rig.logs.filter((line) => line.includes("tunnel detached"))).toEqual([]);
  },
);

test("T-17 real ssh to a server behind TLS and a proxy, with our ssh_config as written", async () => {
  const sshd = await startSshd();
  atEnd(() => sshd.stop());
  const { rig } = await given("https", (socket) => {
    void sshd.dial().then((inner) => {
      inner.on("error", () => inner.destroy());
      socket.pipe(inner).pipe(socket);
    });
  });
  const proxy = await startConnectProxy({ login: "ada:secret" });
  await giveSshConfig(rig, sshd);
  const args = ["-F", sshConfigFile(rig.home), "-o", "ControlPath=none", "hello", "cat; echo done"];
  const options = environment({ HTTPS_PROXY: proxy.url.replace("://", "://ada:secret@") });
  const end = await runProgram("ssh", args, { ...options, input: "through both\n" });
  expect(end).toEqual({ code: 0, stdout: "through both\ndone\n", stderr: "" });
  expect(proxy.asked).toHaveLength(1);
});
