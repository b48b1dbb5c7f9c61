import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { VERSION } from "../../src/api/version.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";

const root = join(import.meta.dirname, "..", "..");
const bin = join(root, "bin", "gpu-dev.js");
let home: string;
let server: Server;
let asked: string[] = [];
let reservations: object[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "gd-built-"));
  server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    // Asked as a proxy, it gets the whole URL, and answers as every host.
    const path = new URL(request.url ?? "", "http://gpu.test").pathname;
    const answers: Record<string, unknown> = {
      "/v1/reservations": request.method === "POST" ? queued() : page(...reservations),
      "/v1/deployment": { domain: "gpu-dev.internal" },
    };
    request.resume();
    response.setHeader("content-type", "application/json").end(JSON.stringify(answers[path] ?? queued()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => {
  server.close();
  rmSync(home, { recursive: true, force: true });
});

const environment = (more: Record<string, string> = {}): NodeJS.ProcessEnv => ({
  PATH: process.env.PATH,
  HOME: home,
  GPU_DEV_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  GPU_DEV_TOKEN: "gd_secret",
  ...more,
});

function start(command: string, args: readonly string[], env = environment()) {
  asked = [];
  const child = spawn(command, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const written = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const)
    child[name].setEncoding("utf8").on("data", (text: string) => {
      written[name] += text;
    });
  const done = once(child, "close").then(([code]) => ({ code: code as number | null, ...written }));
  return { child, written, done };
}

const gpuDev = (args: readonly string[], env?: NodeJS.ProcessEnv) =>
  start(process.execPath, [bin, ...args], env).done;

test("T-05 --version prints the version, and no warning of the runtime appears", async () => {
  expect(await gpuDev(["--version"])).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: "" });
  expect(asked).toEqual([]);
});

test("T-05 C-01 a whole run writes data to stdout and nothing else anywhere", async () => {
  reservations = [reservation()];
  const done = await gpuDev(["list"]);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/^hello\tabcdefghijklmnopqrst\tactive\t/);
});

test("C-20 a reader that leaves early is no failure and no stack trace", async () => {
  reservations = Array.from({ length: 2000 }, () => reservation({ reason: "x".repeat(200) }));
  const script = `set -o pipefail; "${process.execPath}" "${bin}" list --state failed | head -1`;
  const done = await start("bash", ["-c", script]).done;
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout.split("\n")).toHaveLength(2);
});

test("C-20 no escape sequence without a terminal", async () => {
  reservations = [];
  for (const args of [["list"], ["lst"], ["--help"]]) {
    const done = await gpuDev(args, environment({ TERM: "xterm-256color" }));
    expect(done.stdout + done.stderr).not.toContain("\u001b");
  }
});

test("C-17 a real Ctrl-C while waiting keeps the reservation, exit 130", async () => {
  const run = start(process.execPath, [bin, "reserve", "--gpu-type", "h100", "--time", "1h"]);
  await expect.poll(() => run.written.stderr).toContain("Queued as #3");
  run.child.kill("SIGINT");
  const done = await run.done;
  expect(done).toMatchObject({ code: 130, stdout: "" });
  expect(done.stderr).toContain("gpu-dev cancel hello");
  expect(asked.filter((line) => line.includes("cancel"))).toEqual([]);
});

/** On a real terminal, which `script` makes; answers the question with these keys. */
async function atPrompt(keys: string): Promise<{ code: number | null; shown: string }> {
  const command = `"${process.execPath}" "${bin}" ssh-config install`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], { env: environment({ TERM: "xterm" }) });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
  });
  await expect.poll(() => shown).toContain("(y/N)");
  child.stdin.write(keys);
  const [code] = await once(child, "close");
  return { code, shown };
}

test.each([
  ["Ctrl-C", "\u0003"],
  ["Enter", "\r"],
  ["n", "n\r"],
])("C-17 C-22 %s at the prompt of a real terminal changes nothing, exit 3", async (_, keys) => {
  reservations = [];
  expect(await atPrompt(keys)).toMatchObject({
    code: 3,
    shown: expect.stringContaining("Nothing was changed"),
  });
  expect(existsSync(join(home, ".ssh"))).toBe(false);
});

test("C-22 y at the prompt of a real terminal adds the line", async () => {
  expect((await atPrompt("y\r")).code).toBe(0);
  expect(readFileSync(join(home, ".ssh", "config"), "utf8")).toBe("Include ~/.gpu-dev/ssh_config\n");
  rmSync(join(home, ".ssh"), { recursive: true });
});

test("T-17 HTTP_PROXY is honoured, and NO_PROXY", async () => {
  reservations = [reservation()];
  const proxy = environment().GPU_DEV_URL ?? "";
  const env = environment({ GPU_DEV_URL: "http://gpu.test:81", HTTP_PROXY: proxy });
  const done = await gpuDev(["list"], env);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/^hello\t/);
  expect(asked[0]).toContain("gpu.test:81");
  const direct = await gpuDev(["list"], {
    ...env,
    GPU_DEV_URL: "http://gpu-dev.invalid:81",
    NO_PROXY: "gpu-dev.invalid",
  });
  expect(direct.code).toBe(75);
  expect(direct.stderr).toContain("the host name");
  expect(asked).toEqual([]);
});

test("an older Node is refused in one line", async () => {
  const older =
    'data:text/javascript,Object.defineProperty(process, "versions", { value: { node: "22.12.0" } })';
  const done = await start(process.execPath, ["--import", older, bin, "list"]).done;
  expect(done).toMatchObject({ code: 1, stdout: "" });
  expect(done.stderr).toMatch(/^gpu-dev needs Node 24\.15 or newer; this is 22\.12\.0 .*\n$/);
});

test("a compile cache that cannot be written is not used, and nothing is said", async () => {
  reservations = [];
  const done = await gpuDev(["list", "--json"], environment({ XDG_CACHE_HOME: "/dev/null" }));
  expect(done).toEqual({ code: 0, stdout: '{"items":[]}\n', stderr: "" });
});

test("C-23 __complete answers from the cache, without a request", async () => {
  reservations = [reservation()];
  await gpuDev(["list"]);
  const done = await gpuDev(["__complete", "reservations"]);
  expect(done).toEqual({ code: 0, stdout: "hello\n", stderr: "" });
  expect(asked).toEqual([]);
});

/** Prints what the process has loaded, of Node's own modules and of files, when it ends. */
const TELL = `data:text/javascript,import { registerHooks } from "node:module";
registerHooks({ load(url, context, next) { if (url.startsWith("file:")) process._rawDebug(url); return next(url, context); } });
process.on("exit", () => process._rawDebug(process.moduleLoadList.map((name) => name.replace("NativeModule ", "node:")).join("\\n")));`;

/** What is loaded on the way through these arguments. */
async function loadedBy(script: string, args: readonly string[]) {
  const done = await start(process.execPath, ["--import", TELL, script, ...args]).done;
  const lines = done.stderr.split("\n");
  const urls = lines.filter((line) => line.startsWith("file:") && line.includes("/dist/"));
  return {
    native: lines.filter((line) => line.startsWith("node:")),
    files: urls.length,
    code: urls.map((url) => readFileSync(new URL(url), "utf8")).join("\n"),
  };
}

test("a plain list loads few files: neither prompts, spinner, table, settings, validation, undici nor ws", async () => {
  reservations = [];
  const { native, files, code } = await loadedBy(bin, ["list"]);
  expect(code).toContain("No reservations");
  for (const mark of ["$ZodType", "permessage-deflate", "undici", "ajv", "ora", "cli-table3"])
    expect([mark, new RegExp(`["'/ ]${mark.replace("$", "\\$")}["'/]`).test(code)]).toEqual([mark, false]);
  expect(code.length).toBeLessThan(150_000);
  expect(files).toBeLessThanOrEqual(12);
  expect(native).toContain("node:http");
  for (const dear of ["tls", "crypto", "child_process", "worker_threads", "internal/deps/undici/undici"])
    expect(native).not.toContain(`node:${dear}`);
});

test.each([["--version"], ["__complete", "reservations"]])(
  "%s loads no network and hardly a file",
  async (...args) => {
    const { native, files } = await loadedBy(bin, args);
    expect(files).toBeLessThanOrEqual(7);
    for (const dear of ["net", "http", "crypto", "tty"]) expect(native).not.toContain(`node:${dear}`);
  },
);

test("the ssh-proxy is one file, and loads TLS only for https", async () => {
  const line = ["--context", "environment", "--domain", "gpu-dev.internal", "--retry", "0", "--"];
  const { native, files } = await loadedBy(join(root, "bin", "gpu-dev-ssh-proxy.js"), [
    ...line,
    "abcdefghijklmnopqrst.gpu-dev.internal",
    "22",
  ]);
  expect(asked).not.toEqual([]);
  expect(files).toBe(1);
  expect(native).toContain("node:http");
  for (const dear of ["tls", "https", "child_process"]) expect(native).not.toContain(`node:${dear}`);
});

test("dist/ has a chunk for each command and nothing from a test", () => {
  const names = readdirSync(join(root, "dist"));
  for (const command of ["reserve", "connect", "server", "completion"])
    expect(names.some((name) => name.startsWith(`${command}-`))).toBe(true);
  expect(names).toEqual(expect.arrayContaining(["main.js", "ssh-proxy.js"]));
});
