/** The whole server: real database, real local driver, real port. */
import { execFileSync, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { createClient } from "../../src/api/client.ts";
import { homeOf, type LocalServer, localServerFile } from "../../src/api/home.ts";
import { type RunningServer, runServer, type ServerOptions, startServer } from "../../src/server/main.ts";
import { openEngine } from "../../src/store/engine.ts";
import { MIGRATIONS, migrate } from "../../src/store/migrate.ts";
import { createDatabase } from "../helpers/postgres.ts";
import { processesNaming } from "../helpers/processes.ts";

let parent: string;
let log: string[];
const running: RunningServer[] = [];

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "gd-main-"));
  log = [];
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()));
  expect(processesNaming(parent)).toEqual([]);
  rmSync(parent, { recursive: true });
});

const options = (more: Partial<ServerOptions> = {}) => ({
  dataDir: join(parent, "data"),
  listen: "127.0.0.1:0",
  simulate: [{ gpuType: "h100", count: 2 }],
  logLevel: "info",
  isolation: "processes" as const,
  home: homeOf({ GPU_DEV_HOME: join(parent, "home") }, parent),
  logTo: { write: (line: string) => log.push(line) },
  takeOverMs: 100,
  ...more,
});

const start = async (more: Partial<ServerOptions> = {}): Promise<RunningServer> => {
  const server = await startServer(options(more));
  running.push(server);
  return server;
};

const stop = async (server: RunningServer): Promise<void> => {
  running.splice(running.indexOf(server), 1);
  await server.close();
};

const clientOf = ({ url, token }: RunningServer) =>
  createClient({ url, token, fetch, version: "99.0.0-test" });

test("the server tells the command line of the same user where it is, and takes that back at its end", async () => {
  const server = await start();
  const file = localServerFile(options().home);
  const told = JSON.parse(readFileSync(file, "utf8")) as LocalServer;
  expect(told).toEqual({ url: server.url, token: server.token, pid: process.pid });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(parent, "data")).mode & 0o777).toBe(0o700);
  expect(await clientOf(server).getMe({})).toMatchObject({ role: "admin" });
  await stop(server);
  expect(existsSync(file)).toBe(false);
});

test("X-01 each start makes another token, the earlier one ends, and the deployment stays the same", async () => {
  const first = await start();
  const { id } = await clientOf(first).getDeployment({});
  await stop(first);
  const second = await start();
  expect((await clientOf(second).getDeployment({})).id).toBe(id);
  const earlier = createClient({ url: second.url, token: first.token, fetch, version: "0" });
  await expect(earlier.getMe({})).rejects.toMatchObject({ problem: { code: "not_logged_in" } });
});

test("C-21 T-07 neither the log nor what is on disk has a token in it", async () => {
  const server = await start();
  await clientOf(server).getMe({});
  await stop(server);
  expect(log.join("")).toContain('"msg":"ready"');
  expect(log.join("")).not.toContain(server.token);
  const found = spawnSync("grep", ["-rlF", "-e", server.token, parent], { encoding: "utf8" });
  expect(found).toMatchObject({ status: 1, stdout: "", stderr: "" });
});

test("a second server on the same data is refused, with the reason, and does no harm", async () => {
  const server = await start();
  await expect(startServer(options())).rejects.toThrow(/in use by another gpu-dev server/);
  expect(await clientOf(server).getMe({})).toMatchObject({ role: "admin" });
  expect(existsSync(localServerFile(options().home))).toBe(true);
});

test("X-06 nothing is opened or made when the server would listen beyond loopback", async () => {
  await expect(startServer(options({ listen: "0.0.0.0:0" }))).rejects.toThrow(/loopback only/);
  expect(existsSync(join(parent, "data"))).toBe(false);
});

test("O-04 an upgrade of the database is in the log, one migration after the other; a new database is none", async () => {
  mkdirSync(options().dataDir);
  const engine = openEngine(`sqlite:${join(options().dataDir, "gpu-dev.db")}`);
  await migrate(engine, MIGRATIONS.slice(0, -2));
  await engine.close();
  await stop(await start());
  const said = log.map((line) => JSON.parse(line)).filter((line) => line.migration !== undefined);
  const names = MIGRATIONS.slice(-2).map(({ name }) => name);
  expect(said.map(({ msg, migration }) => [msg, migration])).toEqual(
    names.flatMap((name) => [
      ["migrating the database", name],
      ["migrated", name],
    ]),
  );
});

test("a port that is taken fails the start, and leaves nothing open", async () => {
  const other: Server = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as { port: number };
  await expect(startServer(options({ listen: `127.0.0.1:${port}` }))).rejects.toThrow(/--listen HOST:PORT/);
  expect(existsSync(localServerFile(options().home))).toBe(false);
  other.close();
  const server = await start();
  expect(await clientOf(server).getReady({})).toEqual({
    status: "ok",
    checks: { database: "ok", driver: "ok", presence: "ok" },
    services: { "github-keys": "ok", "local-driver": "ok" },
  });
});

test("O-02 a process without a gateway counts the tunnels that it refuses", async () => {
  const { url, token } = await start({ roles: ["api"] });
  const headers = { authorization: `Bearer ${token}` };
  const ws = new WebSocket(
    `${url.replace("http", "ws")}/v1/tunnel/a2345672345672345672`,
    "gpu-dev.tunnel.v1",
    { headers: { ...headers, "gpu-dev-attempt": "1" } },
  );
  // It is told by its response; the error that follows says less.
  ws.on("error", () => undefined);
  const [request, response] = await once(ws, "unexpected-response");
  expect(response.statusCode).toBe(404);
  request.destroy();
  const page = await (await fetch(`${url}/metrics`, { headers })).text();
  expect(page).toContain('gpu_dev_tunnel_refusals_total{code="not_found"} 1\n');
});

const stateOf = (server: RunningServer, id: string) => async () =>
  (await clientOf(server).getReservation({ params: { id } })).state;

/** A reservation whose pod runs. */
async function activeOn(server: RunningServer): Promise<string> {
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(parent, "key")]);
  const public_key = readFileSync(join(parent, "key.pub"), "utf8").trim();
  await clientOf(server).createKey({ body: { public_key } });
  const { id } = await clientOf(server).createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
  await expect.poll(stateOf(server, id), { interval: 50 }).toBe("active");
  return id;
}

/** A tunnel in which the pod's first bytes have come, and what it is told at its end. */
async function tunnelTo(server: RunningServer, id: string): Promise<{ bye: Promise<string> }> {
  const ws = new WebSocket(`${server.url.replace("http", "ws")}/v1/tunnel/${id}`, "gpu-dev.tunnel.v1", {
    headers: { authorization: `Bearer ${server.token}`, "gpu-dev-attempt": "1" },
  });
  const [banner] = await once(ws, "message");
  expect(String(banner)).toMatch(/^SSH-2\.0-OpenSSH/);
  const bye = new Promise<string>((resolve) =>
    ws.on("message", (data, binary) => {
      if (!binary && String(data).startsWith("bye")) resolve(String(data));
    }),
  );
  // A client of which nothing is heard for 10 s is given up.
  ws.send("ack 0");
  return { bye };
}

test("L-17 L-05 a stop ends tunnels with words and leaves pods alone; the next start finds them", async () => {
  const first = await start();
  const id = await activeOn(first);
  const { bye } = await tunnelTo(first, id);
  await stop(first);
  expect(await bye).toMatch(/^bye draining /);
  expect(processesNaming(id)).not.toEqual([]);

  const second = await start();
  expect(await stateOf(second, id)()).toBe("active");
  await clientOf(second).cancelReservation({ params: { id } });
  await expect.poll(stateOf(second, id), { interval: 50 }).toBe("cancelled");
  expect(processesNaming(id)).toEqual([]);
});

test("L-17 a server that drains gives up its port, data and server.json at once, and its sessions when it is told", async () => {
  const first = await start();
  const id = await activeOn(first);
  const { bye } = await tunnelTo(first, id);
  const waits = Promise.withResolvers<[number, () => void]>();
  const drained = first.drain(3_600_000, (...told) => waits.resolve(told));
  const [sessions, endNow] = await waits.promise;
  expect(sessions).toBe(1);
  expect(existsSync(localServerFile(options().home))).toBe(false);

  const second = await start({ listen: new URL(first.url).host });
  expect(second.url).toBe(first.url);
  expect(JSON.parse(readFileSync(localServerFile(options().home), "utf8"))).toMatchObject({
    token: second.token,
  });
  endNow();
  expect(await bye).toMatch(/^bye draining /);
  await drained;
  running.splice(running.indexOf(first), 1);
  expect(readdirSync(join(parent, "data", "gateways"))).toHaveLength(1);
  expect(readdirSync(join(parent, "data", "probes"))).toHaveLength(1);
  expect(existsSync(localServerFile(options().home))).toBe(true);
  await clientOf(second).cancelReservation({ params: { id } });
  await expect.poll(stateOf(second, id), { interval: 50 }).toBe("cancelled");
});

test("L-17 a server without sessions drains at once", async () => {
  const server = await start();
  let waits = 0;
  await server.drain(3_600_000, () => {
    waits += 1;
  });
  running.splice(running.indexOf(server), 1);
  expect(waits).toBe(0);
  for (const folder of ["gateways", "probes"]) expect(readdirSync(join(parent, "data", folder))).toEqual([]);
});

test("a start that fails is one clear line and exit code 1", async () => {
  const text = { out: "", err: "" };
  const io = {
    stdout: { write: (s: string) => (text.out += s) },
    stderr: { write: (s: string) => (text.err += s) },
  };
  expect(await runServer(options({ listen: "[::]:1" }), io)).toBe(1);
  expect(text.out).toBe("");
  expect(text.err).toMatch(
    /^gpu-dev server: --listen \[::\]:1: without TLS it listens on loopback only[^\n]*\n$/,
  );
  expect(await runServer(options({ databaseUrl: "mysql://x" }), io)).toBe(1);
  expect(text.err.split("\n")).toHaveLength(3);
  expect(await runServer({ ...options({ listen: "[::]:1" }), json: true }, io)).toBe(1);
  expect(JSON.parse(text.out)).toMatchObject({
    type: "urn:gpu-dev:error:start_failed",
    code: "start_failed",
    detail: expect.stringContaining("TLS"),
  });
});

test("C-02 a Docker host that cannot be meant is named at the start, once", async () => {
  const tls = { ca: "/none/ca.pem", cert: "/none/c.pem", key: "/none/k.pem" };
  const host = { name: "box-3", url: "tcp://box-3:2376" };
  const driver = { driver: "docker" as const };
  const refused = (hosts: NonNullable<NonNullable<ServerOptions["docker"]>["hosts"]>) =>
    expect(startServer(options({ driver, docker: { hosts } }))).rejects;
  await refused([{ ...host, tls }]).toThrow(/^Docker host box-3: ca, cert or key cannot be read \(ENOENT\)$/);
  await refused([host]).toThrow(/^Docker host box-3: .* needs TLS/);
  await expect(startServer(options({ docker: { image: "ubuntu:24.04" } }))).rejects.toThrow(
    "write `driver: docker`",
  );
});

test("S-01 L-11 servers with other pods on one PostgreSQL, or with another database on one data directory, are refused", async () => {
  const [database, other] = [await createDatabase(), await createDatabase()];
  onTestFinished(database.drop);
  onTestFinished(other.drop);
  const databaseUrl = database.url;
  const first = await start({ databaseUrl });
  await expect(startServer(options({ databaseUrl, dataDir: join(parent, "elsewhere") }))).rejects.toThrow(
    /belongs to the pods at .*\/data, not to those at .*\/elsewhere/,
  );
  await expect(startServer(options({ databaseUrl: other.url }))).rejects.toThrow(
    /in use by another gpu-dev server with another database/,
  );
  await expect(startServer(options())).rejects.toThrow(/in use by another gpu-dev server/);
  await stop(first);
  await stop(await start({ databaseUrl: other.url }));
});

test("A-13 X-01 three servers share one PostgreSQL and one data directory, each with a token of its own", async () => {
  const database = await createDatabase();
  onTestFinished(database.drop);
  const databaseUrl = database.url;
  const [one, two, three] = [
    await start({ databaseUrl }),
    await start({ databaseUrl }),
    await start({ databaseUrl }),
  ];
  for (const server of [one, two, three])
    expect(await clientOf(server).getMe({})).toMatchObject({ role: "admin" });
  const acrossServers = createClient({ url: one.url, token: two.token, fetch, version: "0" });
  expect(await acrossServers.getMe({})).toMatchObject({ role: "admin" });
  // server.json is the last one's, and stays so when another one goes.
  await stop(one);
  expect(JSON.parse(readFileSync(localServerFile(options().home), "utf8"))).toMatchObject({ url: three.url });
  const late = createClient({ url: two.url, token: one.token, fetch, version: "0" });
  await expect(late.getMe({})).rejects.toMatchObject({ problem: { code: "not_logged_in" } });
  await stop(three);
  expect(await clientOf(two).getMe({})).toMatchObject({ role: "admin" });
});

test("an unreachable PostgreSQL fails the start with words that hold no password", async () => {
  const databaseUrl = "postgres://me:s3cret@127.0.0.1:1/db";
  const failed = await startServer(options({ databaseUrl })).catch((error: Error) => error);
  expect((failed as Error).message).toMatch(
    /^the database cannot be reached: .*127\.0\.0\.1:1; see --database$/,
  );
  expect(`${(failed as Error).message}${log.join("")}`).not.toContain("s3cret");
});
