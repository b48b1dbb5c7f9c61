import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { Declined } from "../../src/cli/errors.ts";
import { runProgram } from "../../src/cli/run-program.ts";
import { gpuType, type Handlers, page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const RESERVE = "reserve --gpu-type h100 --time 1h";

/** A server where a reservation goes through these states, one for each time that it is asked for. */
function going(...states: Reservation[]): Handlers {
  const rest = [...states];
  return {
    createReservation: () => rest.shift() ?? queued(),
    getReservation: () => (rest.length > 1 ? (rest.shift() ?? queued()) : (rest[0] ?? queued())),
    listReservations: () => page(rest[0] ?? reservation()),
    cancelReservation: () => reservation({ state: "cancelled" }),
    listGpuTypes: () => page(gpuType({ simulated: true })),
  };
}

test("--at is read in the user's time zone and sent as an instant; the answer names both", async () => {
  const at = reservation({ state: "queued", start_at: "2026-01-02T08:00:00.000Z" });
  const world = createWorld({ handlers: going(at) });
  const done = await world.gpuDev([
    "reserve",
    "-t",
    "h100",
    "--time",
    "1h",
    "--at",
    "tomorrow 9:00",
    "--no-wait",
  ]);
  expect(world.server.requests.find((r) => r.route === "createReservation")?.body).toMatchObject({
    start_at: "2026-01-02T08:00:00.000Z",
  });
  expect(done.stderr).toContain("Reserved 2 × h100 for 1h from 2026-01-02 09:00 (Europe/Berlin) as hello");
  const refused = await world.gpuDev(["reserve", "-t", "h100", "--at", "someday"]);
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("tomorrow 9:00")]);
});

test("a time at which nothing is free is refused with the flag to type", async () => {
  const taken = new Problem("taken_then", "2 h100 cannot be free then", {
    hint: "ask for that time: --at 2026-01-03T09:00Z",
  });
  const world = createWorld({ handlers: { ...going(), createReservation: () => taken } });
  const done = await world.gpuDev(`${RESERVE} --at 9:00`);
  expect([done.code, done.stderr]).toEqual([6, expect.stringContaining("--at 2026-01-03T09:00Z")]);
});

test("--dry-run asks what would happen, says it, and creates nothing", async () => {
  const forecast = {
    gpu_type: "h100",
    gpu_count: 2,
    duration_s: 3600,
    simulated: false,
    latest_start_at: "2026-01-01T13:30:00.000Z",
    latest_end_at: "2026-01-01T14:35:00.000Z",
    nodes: ["node-1"],
    price: 5_000_000,
    queue_position: 3,
    reason: "waits for 2 h100; 2 are ahead",
  };
  const world = createWorld({
    handlers: { ...going(), planReservation: () => forecast },
    terminal: true,
    env: { NO_COLOR: "1" },
  });
  const done = await world.gpuDev(`${RESERVE} --gpus 2 --priority low --dry-run`);
  expect(world.server.requests.map((r) => r.route)).not.toContain("createReservation");
  expect(world.server.requests.at(-1)?.body).toMatchObject({ gpu_count: 2, priority: "low" });
  expect(done.stdout).toMatch(/start +in at most 1h30m/);
  expect(done.stdout).toMatch(/latest end +in 2h35m/);
  expect(done.stdout).toMatch(/price +\$5.00/);
  expect(JSON.parse((await world.gpuDev(`${RESERVE} --dry-run --json`)).stdout)).toEqual(forecast);
  world.server.handlers.planReservation = () => ({ ...forecast, queue_position: null, reason: null });
  expect((await world.gpuDev(`${RESERVE} --dry-run`)).stdout).toMatch(/start +now/);
});

const preparing = (given: Partial<Reservation> = {}): Reservation =>
  reservation({ state: "preparing", started_at: null, ends_at: null, host_key: null, ...given });

test("it waits until ssh works, prints the reservation, and says how to get in", async () => {
  const world = createWorld({
    handlers: going(queued(), queued({ queue_position: 1 }), preparing(), preparing(), reservation()),
  });
  const done = await world.gpuDev(`${RESERVE} --gpus 2 --name hello --disk none`);
  expect(done.code).toBe(0);
  expect(done.stdout).toContain("state\tactive\n");
  expect(done.stderr).toContain("gpu-dev connect hello");
  expect(done.stderr).toContain("ssh gpu-dev-abcdefgh");
  const created = world.server.requests.find((r) => r.route === "createReservation");
  expect(created?.body).toEqual({
    gpu_type: "h100",
    duration_s: 3600,
    gpu_count: 2,
    name: "hello",
    disk: null,
    public_key: expect.stringContaining("ssh-ed25519 "),
  });
});

test("A-08 each request to reserve has a name of its own", async () => {
  const world = createWorld({ handlers: going() });
  for (let i = 0; i < 50; i++) await world.gpuDev(`${RESERVE} --no-wait`);
  const created = world.server.requests.filter((r) => r.route === "createReservation");
  const keys = created.map(({ headers }) => headers["idempotency-key"] ?? "");
  expect(new Set(keys).size).toBe(50);
  for (const key of keys) expect(key).toMatch(/^[\x21-\x7e]{16,255}$/);
});

test("C-25 what starts at once is told to ssh beside the others, which are asked for while it starts", async () => {
  const other = reservation({ id: "zbcdefghijklmnopqrst", name: "other", ssh_host: "zz.gpu-dev.internal" });
  const world = createWorld({
    handlers: { ...going(preparing(), reservation()), listReservations: () => page(preparing(), other) },
    runProgram: async (command, ...rest) =>
      command === "ssh" ? { code: 0, stdout: "", stderr: "" } : runProgram(command, ...rest),
  });
  expect((await world.gpuDev(RESERVE)).code).toBe(0);
  const routes = world.server.requests.map(({ route }) => route);
  expect(routes.indexOf("listReservations")).toBeLessThan(routes.lastIndexOf("getReservation"));
  expect(routes.filter((route) => route === "listReservations")).toHaveLength(1);
  const config = readFileSync(join(world.home, "gd", "ssh_config"), "utf8");
  expect(config).toContain("Host gpu-dev-abcdefgh hello\n");
  expect(config).toContain("Host gpu-dev-zbcdefgh other\n");
  expect((await world.gpuDev("connect hello -- true")).code).toBe(0);
  expect(world.server.requests).toHaveLength(routes.length);
});

test("C-14 each phase is one line without a terminal", async () => {
  const world = createWorld({
    handlers: going(queued(), queued(), queued(), preparing(), preparing(), reservation()),
  });
  const { stderr } = await world.gpuDev(RESERVE);
  expect(stderr.match(/^Queued as #3 for 2 × h100, start /gm)).toHaveLength(1);
  expect(stderr.match(/^Preparing/gm)).toHaveLength(1);
});

test.each([
  ["a pipe", { terminal: false }],
  ["CI", { terminal: true, env: { CI: "true", NO_COLOR: "1" } }],
  ["a dumb terminal", { terminal: true, env: { TERM: "dumb" } }],
])("C-14 C-20 in %s each phase is a plain line, with the time so far", async (_, options) => {
  const world = createWorld({
    ...options,
    handlers: going(queued(), ...Array.from({ length: 8 }, () => queued()), preparing(), reservation()),
  });
  const { stderr } = await world.gpuDev(RESERVE);
  expect(stderr).toMatch(/^Queued as #3 for 2 × h100, start unknown$/m);
  expect(stderr).toMatch(/^Preparing 2 × h100 on node-1 \(\d+s\)$/m);
  expect(stderr).not.toContain("\u001b");
});

test("C-01 with --json stdout is the reservation alone", async () => {
  const world = createWorld({ handlers: going(queued(), reservation()) });
  expect(JSON.parse((await world.gpuDev(`${RESERVE} --json`)).stdout)).toEqual(reservation());
});

test("simulated GPUs are said to be simulated", async () => {
  const world = createWorld({
    handlers: going(queued({ simulated: true }), reservation({ simulated: true })),
  });
  const done = await world.gpuDev(RESERVE);
  expect(done.stderr).toContain("Reserved 2 × h100 (simulated)");
  expect(done.stdout).toContain("(simulated)");
});

test("--no-wait asks nothing more of the reservation", async () => {
  const world = createWorld({ handlers: going(queued()) });
  const done = await world.gpuDev(`${RESERVE} --no-wait`);
  expect(done.code).toBe(0);
  expect(done.stdout).toContain("state\tqueued");
  expect(world.server.requests.map((r) => r.route)).not.toContain("getReservation");
});

test("C-18 without --gpu-type it names the flag and the server's types", async () => {
  const world = createWorld({ handlers: going() });
  const done = await world.gpuDev("reserve --time 1h");
  expect(done.stderr).toContain("--gpu-type is missing");
  expect(done.code).toBe(2);
  expect(done.stderr).toContain("h100 (simulated)");
  expect(world.asked).toEqual([]);
});

test("a missing --time is one hour, and said so", async () => {
  const world = createWorld({ handlers: going(queued(), reservation()) });
  expect((await world.gpuDev("reserve --gpu-type h100")).stderr).toContain(
    "No --time given: reserved for 1h",
  );
});

test("C-22 plain ssh is named as a way in once the user's configuration knows it", async () => {
  const world = createWorld({ handlers: going(queued(), reservation()) });
  const before =
    "Ready. Get in with `gpu-dev connect hello`; after `gpu-dev ssh-config install` also with `ssh";
  expect((await world.gpuDev(RESERVE)).stderr).toContain(before);
  await world.gpuDev("ssh-config install --yes");
  expect((await world.gpuDev(RESERVE)).stderr).toContain(
    "Get in with `gpu-dev connect hello` or `ssh gpu-dev-abcdefgh`",
  );
});

test("a user's ssh configuration that cannot be read does not keep reserve from its answer", async () => {
  const world = createWorld({ handlers: going(queued(), reservation()) });
  mkdirSync(join(world.home, ".ssh", "config"), { recursive: true });
  expect(await world.gpuDev(RESERVE)).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("after `gpu-dev ssh-config install`"),
  });
});

test("--no-queue with nothing free is exit 6", async () => {
  const world = createWorld({
    handlers: { ...going(), createReservation: () => new Problem("no_capacity", "No h100 free (0 of 16)") },
  });
  expect(await world.gpuDev(`${RESERVE} --no-queue`)).toMatchObject({ code: 6, stdout: "" });
  expect(world.server.requests.at(-1)?.body).toMatchObject({ queue: false });
});

test("C-16 a wait that runs out is exit 8, says still pending, and leaves the reservation", async () => {
  const world = createWorld({ handlers: going(queued(), queued()) });
  const start = world.now.getTime();
  const done = await world.gpuDev(`${RESERVE} --timeout 10m`);
  expect(done.code).toBe(8);
  expect(done.stderr).toContain("hello is still queued after 10m; it stays reserved");
  expect(world.now.getTime() - start).toBe(600_000);
  expect(world.server.requests.map((r) => r.route)).not.toContain("cancelReservation");
  const json = JSON.parse((await world.gpuDev(`${RESERVE} --timeout 1m --json`)).stdout);
  expect(json).toMatchObject({ code: "still_pending", reservation: { id: "abcdefghijklmnopqrst" } });
});

test("C-16 without --timeout the wait has an end too", async () => {
  const world = createWorld({ handlers: going(queued(), queued()) });
  let sleeps = 0;
  world.onSleep = () => {
    sleeps++;
    world.now = new Date(world.now.getTime() + 3_600_000);
  };
  expect((await world.gpuDev(RESERVE)).code).toBe(8);
  expect(sleeps).toBe(24);
});

test.each([
  ["failed", 10, "hello failed before ssh worked: the image is gone"],
  ["cancelled", 9, "hello is cancelled before ssh worked: the image is gone"],
] as const)(
  "a reservation that becomes %s while waiting is exit %d with the reason",
  async (state, code, words) => {
    const world = createWorld({
      handlers: going(queued(), preparing({ state, reason: "the image is gone" })),
    });
    const done = await world.gpuDev(RESERVE);
    expect(done.code).toBe(code);
    expect(done.stderr).toContain(words);
  },
);

test("C-02 one that is ending is followed to its end, which decides the exit code", async () => {
  const ending = preparing({ state: "ending", reason: "cancelled by its owner" });
  const world = createWorld({ handlers: going(queued(), ending, ending, preparing({ state: "cancelled" })) });
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(9);
  expect(done.stderr).toContain("hello is ending: cancelled by its owner");
});

test("C-04 a server that restarts is waited for", async () => {
  const world = createWorld({ handlers: going(queued(), reservation()) });
  const { fetch } = world.server;
  let down = 0;
  Object.assign(world.server, {
    fetch: async (url: string, init: Parameters<typeof fetch>[1]) => {
      if (init.method === "GET" && url.includes("/abcd") && down++ < 9)
        throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
      return fetch(url, init);
    },
  });
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(0);
  expect(done.stderr).toContain("The server does not answer now; asking again");
});

describe("C-17 Ctrl-C while waiting", () => {
  function interrupted(options: Parameters<typeof createWorld>[0]) {
    const world = createWorld({ handlers: going(queued(), queued()), ...options });
    world.onSleep = () => world.interrupt.abort();
    return world;
  }
  const cancelled = (world: ReturnType<typeof createWorld>): boolean =>
    world.server.requests.some((r) => r.route === "cancelReservation");

  test("C-17 without a terminal leaves it in place, says how to find it, exit 130", async () => {
    const world = interrupted({});
    const done = await world.gpuDev(RESERVE);
    expect(done.code).toBe(130);
    expect(done.stderr).toContain("gpu-dev show hello");
    expect(done.stderr).toContain("gpu-dev cancel hello");
    expect(cancelled(world)).toBe(false);
  });

  test("C-17 on a terminal asks; keep is exit 0", async () => {
    const world = interrupted({ terminal: true, env: { TERM: "dumb" }, answers: ["keep"] });
    expect((await world.gpuDev(RESERVE)).code).toBe(0);
    expect(world.asked).toEqual(["Keep or cancel the reservation?"]);
    expect(cancelled(world)).toBe(false);
  });

  test("C-17 on a terminal asks; cancel cancels, exit 130", async () => {
    const world = interrupted({ terminal: true, env: { TERM: "dumb" }, answers: ["cancel"] });
    expect((await world.gpuDev(RESERVE)).code).toBe(130);
    expect(cancelled(world)).toBe(true);
  });

  test("C-17 Ctrl-C at that prompt changes nothing, exit 3", async () => {
    const world = interrupted({ terminal: true, env: { TERM: "dumb" }, answers: [new Declined()] });
    expect((await world.gpuDev(RESERVE)).code).toBe(3);
    expect(cancelled(world)).toBe(false);
  });
});
