/** The server as a process of its own: what it prints, and how signals end it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

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

function launch() {
  const options = {
    dataDir: join(home, "data"),
    listen: "127.0.0.1:0",
    simulate: [],
    logLevel: "info",
    isolation: "processes",
    home: { configDir: home, stateDir: home },
  };
  const code = `import { runServer } from ${JSON.stringify(main)};
    process.exitCode = await runServer(${JSON.stringify(options)}, process);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", code], {
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

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "L-17 %s ends the server in order, with code 0",
  async (signal) => {
    const { child, ready, out, exit } = launch();
    let log = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      log += text;
    });
    await ready;
    expect(out()).toMatch(
      /^gpu-dev server ready at http:\/\/127\.0\.0\.1:\d+ \(local driver, processes, sqlite\)\n$/,
    );
    const since = performance.now();
    child.kill(signal);
    // The terminal and npx may both pass on the same Ctrl-C.
    child.kill(signal);
    expect(await exit).toEqual([0, null]);
    expect(performance.now() - since).toBeLessThan(10_000);
    expect(existsSync(join(home, "server.json"))).toBe(false);
    expect(out().split("\n")).toHaveLength(2);
    for (const line of log.trim().split("\n")) expect(JSON.parse(line)).toHaveProperty("msg");
  },
);

test("L-17 a signal while the server starts ends it in order, too", async () => {
  const { child, exit } = launch();
  // Its lock file is the first thing that a start leaves on disk.
  await expect
    .poll(() => existsSync(join(home, "data", "gpu-dev.db.lock")), { interval: 1, timeout: 20_000 })
    .toBe(true);
  child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
  expect(existsSync(join(home, "server.json"))).toBe(false);
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
