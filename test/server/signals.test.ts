/** The server as a process of its own: what it prints, and how signals end it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { createClient } from "../../src/api/client.ts";
import type { ServerOptions } from "../../src/server/config/config.ts";
import { createDatabase, openWay } from "../helpers/postgres.ts";

/** Against hanging. */
const GUARD = { timeout: 120_000, interval: 20 };
const main = join(import.meta.dirname, "..", "..", "src", "server", "main.ts");
let home: string;
const children: ChildProcess[] = [];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "gd-signal-"));
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
  }
  rmSync(home, { recursive: true });
});

function program(given: Partial<ServerOptions> = {}): string {
  const options = {
    dataDir: join(home, "data"),
    listen: "127.0.0.1:0",
    simulate: [],
    logLevel: "info",
    isolation: "processes",
    home: { configDir: home, stateDir: home },
    ...given,
  };
  return `import { runServer } from ${JSON.stringify(main)};
    process.exitCode = await runServer(${JSON.stringify(options)}, process);`;
}

function launch(given?: Partial<ServerOptions>) {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program(given)], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let out = "";
  const ready = new Promise<string>((resolve) =>
    child.stdout.setEncoding("utf8").on("data", (text) => {
      out += text;
      resolve(/http:\S+/.exec(out)?.[0] ?? out);
    }),
  );
  return { child, ready, out: () => out, exit: once(child, "exit") };
}

test.each(["SIGTERM", "SIGINT"] as const)("L-17 %s ends the server in order, with code 0", async (signal) => {
  const { child, ready, out, exit } = launch();
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    log += text;
  });
  await ready;
  expect(out()).toMatch(
    /^gpu-dev server ready at http:\/\/127\.0\.0\.1:\d+ \(local driver, processes, sqlite\)\n$/,
  );
  child.kill(signal);
  // The terminal and npx may both pass on the same Ctrl-C.
  child.kill(signal);
  expect(await exit).toEqual([0, null]);
  expect(existsSync(join(home, "server.json"))).toBe(false);
  expect(out().split("\n")).toHaveLength(2);
  for (const line of log.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
});

test("S-10 SIGHUP reads the types again, and a wrong file changes nothing", async () => {
  const file = join(home, "server.yaml");
  const types = (hours: number) =>
    writeFileSync(file, `gpu_types: {cpu: {max_duration: ${hours}h, places: 3}}\n`);
  types(1);
  const { child, ready, exit } = launch();
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    log += text;
  });
  await ready;
  const { url, token } = JSON.parse(readFileSync(join(home, "server.json"), "utf8"));
  const api = createClient({ url, token, fetch, version: "99.0.0-test" });
  const hours = async () => (await api.listGpuTypes({ query: {} })).items.map((t) => t.max_duration_s / 3600);
  expect(await hours()).toEqual([1]);
  types(5);
  child.kill("SIGHUP");
  await expect.poll(hours, GUARD).toEqual([5]);
  writeFileSync(file, "gpu_types: {cpu: {max_duration: 5}}\n");
  child.kill("SIGHUP");
  await expect.poll(() => log, GUARD).toContain("server.yaml:1: gpu_types.cpu.max_duration");
  expect(await hours()).toEqual([5]);
  const audited = async () =>
    (await api.listAudit({ query: { action: "config.reload" } })).items.map(({ actor, subject, data }) => [
      actor,
      subject,
      data?.changed,
      data?.restart,
    ]);
  await expect.poll(audited, GUARD).toEqual([["system", file, ["gpu_types.cpu.max_duration"], []]]);
  const page = await (
    await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
  ).text();
  expect(page).toContain('gpu_dev_config_reloads_total{outcome="taken"} 1');
  expect(page).toContain('gpu_dev_config_reloads_total{outcome="invalid"} 1');
  expect(page).toContain("gpu_dev_config_refused 1");
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

test("L-17 a terminal that is closed ends the server in order", async () => {
  const socket = join(home, "tmux");
  const tmux = (...args: string[]) => promisify(execFile)("tmux", ["-S", socket, "-f", "/dev/null", ...args]);
  const log = join(home, "log");
  await tmux(
    "new-session",
    "-d",
    `exec ${process.execPath} --input-type=module --eval '${program()}' 2>'${log}'`,
  );
  const started = () => existsSync(join(home, "server.json"));
  await expect.poll(started, GUARD).toBe(true);
  const { pid } = JSON.parse(readFileSync(join(home, "server.json"), "utf8"));
  await tmux("kill-server");
  await expect.poll(() => existsSync(`/proc/${pid}`), GUARD).toBe(false);
  expect(started()).toBe(false);
});

test("L-17 a signal while the server starts ends it in order, too", async () => {
  const { child, exit } = launch();
  // Its lock file is the first thing that a start leaves on disk.
  await expect
    .poll(() => existsSync(join(home, "data", "gpu-dev.db.lock")), { ...GUARD, interval: 1 })
    .toBe(true);
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
  expect(existsSync(join(home, "server.json"))).toBe(false);
});

test("L-17 a server whose parts cannot all start says why, and ends", async () => {
  const { child } = launch({ dataDir: join(home, "d".repeat(100)) });
  const ended = once(child, "close");
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    words += text;
  });
  expect(await ended).toEqual([1, null]);
  expect(words).toContain("is too long for a socket in it");
});

test("L-17 a database that has fallen silent does not keep the server", async () => {
  const database = await createDatabase();
  onTestFinished(() => database.drop());
  const way = await openWay(database.url);
  onTestFinished(() => way.close());
  const { child, ready, exit } = launch({ databaseUrl: way.url });
  await ready;
  way.fallSilent();
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

test("a reader of the log that is gone does not end the server", async () => {
  const { child, ready, exit } = launch();
  child.stderr.destroy();
  const url = await ready;
  expect((await fetch(`${url}/v1/nope`)).status).toBe(404);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

test("L-17 a reader of the log that has stopped holds up neither the server nor its end", async () => {
  const { child, ready, exit } = launch();
  const url = await ready;
  // More than the pipe takes: about 200 bytes of log for each.
  for (let i = 0; i < 100; i++) await Promise.all(Array.from({ length: 25 }, () => fetch(`${url}/healthz`)));
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});
