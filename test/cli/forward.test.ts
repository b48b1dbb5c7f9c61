import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { listen } from "../tunnel/scene.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

/** A world with "hello", which is `after` when it is looked at again; Ctrl-C comes with the first look unless told. */
function worldWith(after = reservation(), options: WorldOptions = {}): World {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()), getReservation: () => after },
    ...options,
  });
  world.onSleep = () => world.interrupt.abort();
  return world;
}

test("C-01 forward prints the local addresses and runs until Ctrl-C, exit 0", async () => {
  const done = await worldWith().gpuDev("forward hello :8888 0:6006");
  expect(done).toMatchObject({ code: 0, stderr: "" });
  expect(done.stdout).toMatch(/^127\.0\.0\.1:\d+\thello:8888\n127\.0\.0\.1:\d+\thello:6006\n$/);
});

test("C-13 forward on a terminal is a table, with the way to end it", async () => {
  const done = await worldWith(reservation(), { terminal: true, env: { NO_COLOR: "1" } }).gpuDev(
    "forward hello :8888",
  );
  expect(done.stdout).toMatch(/^LOCAL {12,}POD\n127\.0\.0\.1:\d+ +hello:8888\n$/);
  expect(done.stderr).toBe("Ctrl-C ends it.\n");
});

test("C-01 forward --json is one document, and what comes later is talk", async () => {
  const world = worldWith(
    reservation({ state: "expired", ended_at: "2026-01-01T12:00:05.000Z", reason: "time is up" }),
  );
  world.onSleep = () => undefined;
  const done = await world.gpuDev("forward hello :8888 --json");
  expect(JSON.parse(done.stdout)).toEqual({
    id: "abcdefghijklmnopqrst",
    name: "hello",
    forwards: [{ address: "127.0.0.1", port: expect.any(Number), pod_port: 8888 }],
  });
  expect(done.code).toBe(9);
  expect(done.stderr).toContain("hello is expired since 2026-01-01T12:00:05.000Z: time is up\n");
});

test("C-04 a server that cannot be asked for a while ends no forwarding", async () => {
  let looks = 0;
  const world = worldWith();
  world.server.handlers = {
    listReservations: () => page(reservation()),
    getReservation: () => {
      looks += 1;
      return { raw: "bad gateway", status: 502 };
    },
  };
  world.onSleep = () => looks > 8 && world.interrupt.abort();
  expect((await world.gpuDev("forward hello :8888")).code).toBe(0);
});

test("C-04 a server of this machine that stops and comes back ends no forwarding", async () => {
  const world = worldWith(reservation({ state: "expired" }));
  const file = join(world.home, "gd", "server.json");
  const write = (pid: number) =>
    writeFileSync(file, JSON.stringify({ url: "http://127.0.0.1:1", token: "gd_secret", pid }));
  world.env.GPU_DEV_URL = undefined;
  world.env.GPU_DEV_TOKEN = undefined;
  mkdirSync(join(world.home, "gd"));
  write(process.pid);
  // Stopped, then killed after it had begun anew: nobody is asked with a token that is not meant for them.
  const gone = spawnSync("true").pid;
  const happens = [() => rmSync(file), () => write(gone), () => world.interrupt.abort()];
  world.onSleep = () => happens.shift()?.();
  const done = await world.gpuDev("forward hello :8888");
  expect(done.code).toBe(0);
  expect(world.server.requests.filter((r) => r.route === "getReservation")).toEqual([]);
});

test("forward beyond this machine is warned of", async () => {
  const done = await worldWith().gpuDev("forward hello :8888 --address 0.0.0.0");
  expect(done.stdout).toMatch(/^0\.0\.0\.0:\d+\thello:8888\n$/);
  expect(done.stderr).toBe("Whoever reaches 0.0.0.0 of this machine can use these ports.\n");
});

test.each([
  ["forward hello http", '"http" is not a port'],
  ["forward hello 0", '"0" is not a port'],
  ["forward hello 65536", '"65536" is not a port'],
  ["forward hello 80:", '"80:" is not a port'],
  ["forward hello 1:2:3", '"1:2:3" is not a port'],
  ["forward hello 70000:80", '"70000:80" is not a port'],
  ["forward hello 80 --address example.com", '"example.com" is not an address'],
  ["forward hello", "Missing required argument 'ports'"],
])("C-02 `%s` is a usage error", async (line, words) => {
  const done = await worldWith().gpuDev(line);
  expect(done.code).toBe(2);
  expect(done.stderr).toContain(words);
});

test("of several ports one that is taken forwards none, exit 9", async () => {
  const taken = await listen(createServer());
  const done = await worldWith().gpuDev(`forward hello :8888 ${taken}:80`);
  expect(done).toMatchObject({ code: 9, stdout: "" });
  expect(done.stderr).toContain(`127.0.0.1 port ${taken} is in use by another program`);
});

test("forward refuses one that does not run yet, exit 9", async () => {
  const world = createWorld({ handlers: { listReservations: () => page(queued()) } });
  const done = await world.gpuDev("forward hello 8888");
  expect(done.code).toBe(9);
  expect(done.stderr).toContain("hello is still queued");
});
