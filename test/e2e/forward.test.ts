/** `gpu-dev forward` as a user types it: the built command, a real server, and a web server in a real pod. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { createTerminals } from "../cli/helpers/tmux.ts";
import { freePort } from "../helpers/free-port.ts";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { environment, type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const { home, remove } = temporaryHome();
const cli = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");
const GUARD = { timeout: 60_000, interval: 50 };
let server: ServerProcess;
let podPort: number;
const children: ChildProcess[] = [];

/** Answers GET with the path, and a WebSocket's text (RFC 6455, unmasked and short) in capitals. */
const WEB_SERVER = `
const { createHash } = require("node:crypto");
const server = require("node:http").createServer((request, response) => response.end("pod says " + request.url));
server.on("upgrade", ({ headers }, socket) => {
  const accept = createHash("sha1").update(headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  socket.write("HTTP/1.1 101 Yes\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\nSec-WebSocket-Accept: " + accept + "\\r\\n\\r\\n");
  socket.on("error", () => {}).on("data", (frame) => {
    const [mask, data] = [frame.subarray(2, 6), frame.subarray(6)];
    if ((frame[0] & 15) !== 1) return socket.end();
    const text = Buffer.from(data.map((byte, i) => byte ^ mask[i % 4])).toString().toUpperCase();
    socket.write(Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]));
  });
});
server.listen(Number(process.argv[1]), "127.0.0.1");`;

beforeAll(async () => {
  const ourNode = await readFile(process.execPath);
  server = await startServerProcess({ home });
  await reserve("hello");
  podPort = await freePort();
  const encoded = Buffer.from(WEB_SERVER).toString("base64");
  // A copy of our Node: where this clone lies, such as below somebody's home, a pod may see nothing.
  const copied = await gpuDev(home, ["connect", "hello", "--", "cat >node && chmod +x node"], ourNode);
  expect(copied).toMatchObject({ code: 0, stderr: "" });
  const start = `nohup ./node -e "$(echo ${encoded} | base64 -d)" ${podPort} >/dev/null 2>&1 & echo $!`;
  expect((await gpuDev(home, ["connect", "hello", "--", start])).stdout).toMatch(/^\d+\n$/);
  // The local driver's pods share this machine's network: so it is seen that the web server is up.
  await vi.waitFor(() => ask(`127.0.0.1:${podPort}`, "/"), GUARD);
});

afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  // Those that a failed test left.
  for (const pid of await listed()) process.kill(pid, "SIGKILL");
  for (const { id } of JSON.parse((await gpuDev(home, ["list", "--json"])).stdout).items)
    await gpuDev(home, ["cancel", id]);
  await server.stop();
  remove();
});

async function reserve(name: string): Promise<void> {
  const words = ["reserve", "--gpu-type", "cpu", "--time", "1h", "--name", name];
  expect(await gpuDev(home, words)).toMatchObject({ code: 0 });
}

interface Running {
  readonly child: ChildProcess;
  /** The first line of stdout. */
  readonly line: string;
  readonly stderr: () => string;
}

/** Runs until it says where it listens. */
async function forward(...words: string[]): Promise<Running> {
  const child = spawn(process.execPath, [cli, "forward", ...words], {
    env: environment(home),
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let stderr = "";
  child.stderr.on("data", (data) => {
    stderr += data;
  });
  const [line] = await once(createInterface(child.stdout), "line");
  return { child, line, stderr: () => stderr };
}

const addressOf = ({ line }: Running): string => line.split("\t")[0] ?? "";
const ask = async (address: string, path: string): Promise<string> =>
  (await fetch(`http://${address}${path}`)).text();

test("a web server and a WebSocket in the pod are reached on a local port; Ctrl-C ends it cleanly", async () => {
  const running = await forward("hello", `:${podPort}`);
  const address = addressOf(running);
  expect(await ask(address, "/first")).toBe("pod says /first");
  const paths = Array.from({ length: 50 }, (_, i) => `/page/${i}`);
  expect(await Promise.all(paths.map((path) => ask(address, path)))).toEqual(
    paths.map((path) => `pod says ${path}`),
  );
  const ws = new WebSocket(`ws://${address}/socket`);
  await once(ws, "open");
  ws.send("through the tunnel");
  expect(String((await once(ws, "message"))[0])).toBe("THROUGH THE TUNNEL");
  const closed = once(ws, "close");
  const exit = once(running.child, "exit");
  running.child.kill("SIGINT");
  expect(await exit).toEqual([0, null]);
  await closed;
  expect(running.stderr()).toBe("");
  await expect(ask(address, "/after")).rejects.toThrow();
});

test("--json says the address as one document; a port of nobody is one line on stderr", async () => {
  const running = await forward("hello", `:${await freePort()}`, "--json");
  const { forwards } = JSON.parse(running.line);
  await expect(ask(`127.0.0.1:${forwards[0].port}`, "/")).rejects.toThrow();
  await vi.waitFor(() => expect(running.stderr()).toContain("nothing answers on port"), GUARD);
  expect(running.stderr().trim().split("\n")).toHaveLength(1);
  const exit = once(running.child, "exit");
  running.child.kill("SIGTERM");
  expect(await exit).toEqual([0, null]);
});

test("T-08 it ends with the reason when the reservation ends", async () => {
  await reserve("short");
  const running = await forward("short", `:${podPort}`);
  const exit = once(running.child, "exit");
  const socket = new WebSocket(`ws://${addressOf(running)}/`);
  socket.on("error", () => undefined);
  await once(socket, "open");
  expect((await gpuDev(home, ["cancel", "short"])).code).toBe(0);
  expect(await exit).toEqual([9, null]);
  expect(running.stderr()).toMatch(/^short is (ending|cancelled)[^\n]*\n`gpu-dev list`[^\n]*\n$/);
});

interface InBackground {
  readonly pid: number;
  readonly forwards: readonly { readonly port: number }[];
}

async function inBackground(name: string, port = ":"): Promise<InBackground> {
  const words = ["forward", name, `${port}${podPort}`, "--background", "--json"];
  const { code, stdout } = await gpuDev(home, words);
  expect(code, stdout).toBe(0);
  return JSON.parse(stdout);
}

const listed = async (): Promise<number[]> =>
  JSON.parse((await gpuDev(home, ["forward", "--list", "--json"])).stdout).items.map(
    (one: InBackground) => one.pid,
  );
const addressIn = ({ forwards }: InBackground): string => `127.0.0.1:${forwards[0]?.port}`;

test("--background goes on by itself, two at once too, says whose a taken port is, and --stop ends it", async () => {
  const both = await Promise.all([inBackground("hello"), inBackground("hello")]);
  for (const one of both) expect(await ask(addressIn(one), "/b")).toBe("pod says /b");
  const port = String(both[0].forwards[0]?.port);
  const taken = await gpuDev(home, ["forward", "hello", `${port}:${podPort}`, "-b"]);
  expect(taken).toMatchObject({ code: 9, stdout: "" });
  expect(taken.stderr).toContain("is forwarded to hello in the background already");
  expect((await listed()).toSorted()).toEqual(both.map(({ pid }) => pid).toSorted());
  expect(await gpuDev(home, ["forward", "--stop", port])).toMatchObject({ code: 0, stderr: "" });
  await expect(ask(addressIn(both[0]), "/")).rejects.toThrow();
  expect(await ask(addressIn(both[1]), "/still")).toBe("pod says /still");
  // Killed, it cannot take its file along.
  process.kill(both[1].pid, "SIGKILL");
  await vi.waitFor(async () => expect(await listed()).toEqual([]), GUARD);
});

test("one in the background outlives its terminal, and dies with its reservation", async () => {
  await reserve("brief");
  const terminals = createTerminals(home);
  const line = `forward brief :${podPort} --background`;
  const terminal = await terminals.open("t", 100, line, `GPU_DEV_HOME='${home}' GPU_DEV_TOKEN=`);
  await vi.waitFor(async () => expect(await terminal.screen()).toContain("exit 0"), GUARD);
  const [, address = ""] = /(127\.0\.0\.1:\d+)/.exec(await terminal.screen()) ?? [];
  await terminals.close();
  expect(await ask(address, "/after")).toBe("pod says /after");
  const socket = new WebSocket(`ws://${address}/`);
  socket.on("error", () => undefined);
  await once(socket, "open");
  expect((await gpuDev(home, ["cancel", "brief"])).code).toBe(0);
  await vi.waitFor(async () => expect(await listed()).toEqual([]), GUARD);
  await expect(ask(address, "/")).rejects.toThrow();
});

test("`logs` has what the sshd of a real pod said beside its life, also when both are over", async () => {
  const login = /\tpod\tAccepted publickey for /;
  await expect.poll(async () => (await gpuDev(home, ["logs", "hello"])).stdout, GUARD).toMatch(login);
  const ended = await gpuDev(home, ["logs", "short"]);
  expect(ended).toMatchObject({ code: 0, stderr: "" });
  expect(ended.stdout).toMatch(login);
  expect(ended.stdout).toMatch(/\tlife\tcreated/);
  expect(ended.stdout).toMatch(/\tlife\tcancelled/);
});
