/** `gpu-dev forward --background`, `--list` and `--stop`, without the process in the background; test/e2e/forward.test.ts has that. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { announce, type BackgroundForward } from "../../src/cli/ssh/background.ts";
import { listen } from "../tunnel/scene.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const worldWith = (options: WorldOptions = {}): World =>
  createWorld({
    handlers: { listReservations: () => page(reservation()), getReservation: () => reservation() },
    ...options,
  });
const stateDir = ({ home }: World): string => join(home, "gd");
const files = (world: World): string[] => readdirSync(join(stateDir(world), "forwards"));

const forward = (given: Partial<BackgroundForward> = {}): BackgroundForward => ({
  pid: process.pid,
  id: "abcdefghijklmnopqrst",
  name: "hello",
  node: 0,
  started_at: "2026-01-01T11:50:00.000Z",
  forwards: [{ address: "127.0.0.1", port: 8888, pod_port: 80 }],
  ...given,
});

/** One that ends when it is told to. */
async function running(world: World, given: Partial<BackgroundForward> = {}) {
  const announced = await announce(stateDir(world), forward(given));
  announced.told.addEventListener("abort", () => void announced.close());
  onTestFinished(() => (announced.told.aborted ? undefined : announced.close()));
  return announced;
}

test("C-13 --list shows what runs, without its secret", async () => {
  const world = worldWith();
  await running(world);
  const listed = await world.gpuDev("forward --list");
  expect(listed).toMatchObject({ code: 0, stderr: "" });
  expect(listed.stdout).toBe(
    `127.0.0.1:8888\thello:80\tabcdefghijklmnopqrst\t2026-01-01T11:50:00.000Z\t${process.pid}\n`,
  );
  const { stdout } = await world.gpuDev("forward --list --json");
  expect(JSON.parse(stdout)).toEqual({ items: [forward()] });
  expect(readFileSync(join(stateDir(world), "forwards", files(world)[0] ?? ""), "utf8")).toContain("secret");
});

test("nothing in the background is said, with the way to begin", async () => {
  const listed = await worldWith().gpuDev("forward --list");
  expect(listed).toMatchObject({ code: 0, stdout: "" });
  expect(listed.stderr).toContain("--background");
  expect(await worldWith().gpuDev("forward --stop --all")).toMatchObject({ code: 0 });
  expect(await worldWith().gpuDev("forward --stop")).toMatchObject({ code: 5 });
});

const OTHER = {
  id: "zyxwvutsrqponmlkjihg",
  name: "other",
  started_at: "2026-01-01T11:55:00.000Z",
  forwards: [{ address: "127.0.0.1", port: 9999, pod_port: 80 }],
};

test.each([
  ["8888", [true, false]],
  ["hello", [true, false]],
  ["zyxw", [false, true]],
  ["zyxwvutsrqponmlkjihg", [false, true]],
  ["--all", [true, true]],
])("--stop %s ends what it means, and returns when that is over", async (word, expected) => {
  const world = worldWith();
  const both = [await running(world), await running(world, OTHER)];
  const done = await world.gpuDev(`forward --stop ${word}`);
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(both.map(({ told }) => told.aborted)).toEqual(expected);
  expect(files(world)).toHaveLength(expected.filter((ended) => !ended).length);
});

test("C-02 what --stop cannot mean is an error that says what there is", async () => {
  const world = worldWith();
  await running(world);
  expect(await world.gpuDev("forward --stop 8889")).toMatchObject({ code: 5, stdout: "" });
  expect((await world.gpuDev("forward --stop zyx")).code).toBe(5);
  await running(world, OTHER);
  const which = await world.gpuDev("forward --stop");
  expect(which.code).toBe(2);
  expect(which.stderr).toContain("8888 (hello), 9999 (other)");
  const one = worldWith();
  const only = await running(one);
  expect(await one.gpuDev("forward --stop")).toMatchObject({ code: 0 });
  expect(only.told.aborted).toBe(true);
});

test.each([
  ["forward hello 8888 --background --stop", "--background and --stop"],
  ["forward hello 8888 --list", "--list takes no word"],
  ["forward --stop hello 8888", "--stop takes one word"],
  ["forward --stop hello --all", "--all takes no word"],
  ["forward hello 8888 --all", "--all needs --stop"],
  ["forward hello --background", "Missing required argument 'ports'"],
])("C-02 %s is a usage error", async (line, words) => {
  const done = await worldWith().gpuDev(line);
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain(words);
});

/** A file of one that is not there any more, whose port has gone to `server`. */
async function stale(
  world: World,
  server: Server | undefined,
  pid: number,
  host = hostname(),
): Promise<void> {
  const control = server ? await listen(server) : 1;
  mkdirSync(join(stateDir(world), "forwards"), { recursive: true });
  const entry = { ...forward({ pid }), host, control, secret: "s".repeat(48) };
  writeFileSync(join(stateDir(world), "forwards", "old.json"), JSON.stringify(entry));
}

function serverOf(answer: string | undefined): Server {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy()).resume();
    if (answer !== undefined) socket.end(answer);
  });
  onTestFinished(() => void server.close());
  return server;
}

test("the file of one that was killed goes, also when its port or its pid is another's by now", async () => {
  const world = worldWith();
  for (const answer of [undefined, "SSH-2.0-other\r\n"]) {
    await stale(world, answer === undefined ? undefined : serverOf(answer), process.pid);
    expect((await world.gpuDev("forward --list")).stdout).toBe("");
    expect(files(world)).toEqual([]);
  }
  writeFileSync(join(stateDir(world), "forwards", "broken.json"), "{");
  expect((await world.gpuDev("forward --list")).stdout).toBe("");
  expect(files(world)).toEqual([]);
});

test("one of another machine with the same home is neither told here nor forgotten", async () => {
  const world = worldWith();
  await stale(world, undefined, process.pid, "elsewhere");
  expect((await world.gpuDev("forward --list")).stdout).toBe("");
  expect(files(world)).toEqual(["old.json"]);
});

test("one that does not answer now is not forgotten while its process lives", async () => {
  const world = worldWith();
  await stale(world, serverOf(undefined), process.pid);
  expect((await world.gpuDev("forward --list")).stdout).toContain("127.0.0.1:8888");
  expect(files(world)).toHaveLength(1);
});

test("X-03 who does not know the secret is hung up on, and ends nothing", async () => {
  const world = worldWith();
  const { told } = await running(world);
  const { control } = JSON.parse(
    readFileSync(join(stateDir(world), "forwards", files(world)[0] ?? ""), "utf8"),
  );
  for (const line of ["stop\n", `${"s".repeat(48)} stop\n`, "x".repeat(500)]) {
    const socket = connect(control, "127.0.0.1").on("error", () => undefined);
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.resume().write(line);
    await closed;
  }
  expect(told.aborted).toBe(false);
});

test("C-02 a local port that one in the background has is refused with whose it is", async () => {
  const world = worldWith();
  const taken = createServer();
  const port = await listen(taken);
  onTestFinished(() => void taken.close());
  await running(world, { name: "train", forwards: [{ address: "127.0.0.1", port, pod_port: 80 }] });
  const done = await world.gpuDev(`forward hello ${port}:80`);
  expect(done.code).toBe(9);
  expect(done.stderr).toContain(`port ${port} is forwarded to train in the background already`);
  expect(done.stderr).toContain(`gpu-dev forward --stop ${port}`);
});

test("--background starts this program again, without secrets in its arguments, and prints what it says", async () => {
  const started: (readonly [readonly string[], unknown, Record<string, unknown>])[] = [];
  const world = worldWith({
    runProgram: async (_program, args, stdio, env = {}) => {
      started.push([args, stdio, env]);
      return { code: 0, stdout: `${JSON.stringify(forward())}\n`, stderr: "" };
    },
  });
  const done = await world.gpuDev("forward hello 8888:80 :81 --background");
  expect(done).toEqual({ code: 0, stdout: "127.0.0.1:8888\thello:80\n", stderr: "" });
  const [[script = "", ...args] = [], stdio, env] = started[0] ?? [];
  expect(existsSync(script)).toBe(true);
  expect(args.join(" ")).toBe(
    "forward abcdefghijklmnopqrst 8888:80 0:81 --address 127.0.0.1 --node 0 --json --no-input",
  );
  expect([stdio, env?.GPU_DEV_TOKEN]).toEqual(["detach", world.env.GPU_DEV_TOKEN]);
});

test("C-02 what the process in the background could not do is told as if it had been tried here", async () => {
  const problem = { code: "port_taken", detail: "127.0.0.1 port 80 is in use", hint: "take another" };
  const world = worldWith({
    runProgram: async () => ({ code: 9, stdout: JSON.stringify(problem), stderr: "" }),
  });
  const done = await world.gpuDev("forward hello 80 -b --json");
  expect(done.code).toBe(9);
  expect(JSON.parse(done.stdout)).toMatchObject(problem);
});
