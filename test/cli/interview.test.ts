/** The questions of `reserve`, with answers from memory; interview-terminal.test.ts asks them on a real terminal. */
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Forecast } from "../../src/api/forecast.ts";
import type { Availability } from "../../src/api/inventory.ts";
import { Declined } from "../../src/cli/errors.ts";
import { disk as aDisk, gpuType, type Handlers, page, queued } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const available = (given: Partial<Availability> = {}): Availability => ({
  gpu_type: "h100",
  unit: "gpu",
  total: 16,
  free: 3,
  used: 13,
  unavailable: 0,
  closed_nodes: [],
  queued: 0,
  simulated: false,
  node_labels: {},
  isolation: "namespaces",
  max_duration_s: 172_800,
  latest_start_at: "2026-01-01T12:00:00.000Z",
  ...given,
});

const forecast = (given: Partial<Forecast>): Forecast => ({
  gpu_type: "h100",
  gpu_count: 1,
  duration_s: 3600,
  simulated: false,
  latest_start_at: "2026-01-01T12:00:00.000Z",
  latest_end_at: "2026-01-01T13:00:00.000Z",
  nodes: ["node-1"],
  price: null,
  queue_position: null,
  reason: null,
  ...given,
});

const deployment = (images: { context_max_bytes: number } | null) => ({
  id: "d",
  version: "1.0.0",
  min_cli: "0.1.0",
  domain: "gpu-dev.internal",
  images,
});

const HANDLERS: Handlers = {
  listAvailability: () => page(available(), available({ gpu_type: "cpu", unit: "place" })),
  listGpuTypes: () =>
    page(gpuType({ full_nodes: 2 }), gpuType({ name: "cpu", gpus_per_slot: 0, max_gpus_per_node: 0 })),
  planReservation: () => forecast({}),
  listDisks: () => page(),
  createReservation: () => queued(),
  listReservations: () => page(),
  getDeployment: () => deployment(null),
};

const asking = (options: WorldOptions): World =>
  createWorld({ terminal: true, ...options, handlers: { ...HANDLERS, ...options.handlers } });

const routesOf = (world: World): string[] => world.server.requests.map(({ route }) => route);
const sent = (world: World): object | undefined =>
  world.server.requests.find(({ route }) => route === "createReservation")?.body as object | undefined;

test("what is missing is asked for, sent, and printed as the line that asks nothing", async () => {
  const world = asking({ answers: ["h100", "2", "90m", "train"] });
  const done = await world.gpuDev("reserve --no-wait");
  expect(done.code).toBe(0);
  expect(sent(world)).toMatchObject({ gpu_type: "h100", gpu_count: 2, duration_s: 5400, name: "train" });
  expect(done.stderr).toContain(
    "\n  gpu-dev reserve --gpu-type h100 --gpus 2 --time 1h30m --name train --no-wait\n",
  );
});

test("an image is asked for where the server has images, unless it is known; none is the server's own", async () => {
  const handlers = { getDeployment: () => deployment({ context_max_bytes: 1e9 }) };
  const given = (...image: string[]) => asking({ answers: ["h100", "2", "1h", "", ...image], handlers });
  const world = given(" busybox ");
  const done = await world.gpuDev("reserve --no-wait");
  expect(sent(world)).toMatchObject({ image: "busybox" });
  expect(done.stderr).toContain(" --image busybox ");
  const own = given("");
  expect((await own.gpuDev("reserve --no-wait")).stderr).not.toContain("--image");
  expect(sent(own)).not.toHaveProperty("image");
  const known = given();
  await known.gpuDev("reserve --no-wait --image alpine");
  expect(sent(known)).toMatchObject({ image: "alpine" });
});

test("the printed line asks nothing, and asks the server for the same", async () => {
  const world = asking({ answers: ["h100", "16", "2d", ""] });
  const done = await world.gpuDev(["reserve", "--no-wait", "--webhook", "https://ci.test/a?b=c d"]);
  const line = /^ {2}gpu-dev (.*)$/m.exec(done.stderr)?.[1] ?? "";
  expect(line).toContain("--multi-node");
  expect(line).toContain(" 'https://ci.test/");
  const again = asking({});
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
  expect((await again.gpuDev(words)).code).toBe(0);
  // Each world has a home, and with it a key, of its own.
  const public_key = expect.any(String);
  expect({ ...sent(again), public_key }).toEqual({ ...sent(world), public_key });
});

test.each([
  ["home", "home", " --disk home "],
  ["", null, " --disk none "],
])("C-07 the disk that is answered with %j is sent, and is in the line", async (answer, disk, words) => {
  const listDisks = () => page(aDisk(), aDisk({ name: "taken", state: "in_use" }));
  const world = asking({ answers: ["h100", "2", "1h", "", answer], handlers: { listDisks } });
  const done = await world.gpuDev("reserve --no-wait");
  expect(world.offered.at(-1)?.map(({ value }) => value)).toEqual(["", "home"]);
  expect(sent(world)).toMatchObject({ disk });
  expect(done.stderr).toContain(words);
});

test("C-07 where there is no disk none is asked for, sent or printed", async () => {
  const world = asking({ answers: ["h100", "2", "1h", ""] });
  const done = await world.gpuDev("reserve --no-wait");
  expect(sent(world)).not.toHaveProperty("disk");
  expect(done.stderr).not.toMatch(/gpu-dev reserve.* --disk/);
});

test("C-18 what a flag says is not asked for", async () => {
  const world = asking({ answers: [] });
  expect((await world.gpuDev("reserve -t h100 --time 1h --no-wait")).code).toBe(0);
  const rest = asking({ answers: ["2h"] });
  expect((await rest.gpuDev("reserve -t h100 -g 2 -n train --no-wait")).code).toBe(0);
  expect(rest.asked).toEqual(["How long, such as 90m, 4h or 2d (at most 2d)?"]);
});

test("what the settings say is not asked for", async () => {
  const world = asking({ answers: [], env: { GPU_DEV_GPU_TYPE: "h100", GPU_DEV_TIME: "3h" } });
  expect((await world.gpuDev("reserve --no-wait")).code).toBe(0);
  expect(sent(world)).toMatchObject({ gpu_type: "h100", duration_s: 10_800 });
});

test("C-08 a type without GPUs is not asked for a number of them", async () => {
  const world = asking({ answers: ["cpu", "1h", ""] });
  expect((await world.gpuDev("reserve --no-wait")).code).toBe(0);
  expect(sent(world)).toMatchObject({ gpu_type: "cpu" });
  expect(sent(world)).not.toHaveProperty("gpu_count");
  expect(routesOf(world)).not.toContain("planReservation");
});

test("each number says when it would start; one that is refused says why, and cannot be chosen", async () => {
  const plan: Handlers["planReservation"] = ({ body }) => {
    const { gpu_count } = body as { gpu_count: number };
    if (gpu_count > 8) return new Problem("impossible_request", "16 GPUs are more than your 8");
    const waits = { queue_position: 1, latest_start_at: "2026-01-01T15:00:00.000Z" };
    return forecast(gpu_count > 3 ? waits : {});
  };
  const world = asking({ answers: ["h100", "8", "1h", ""], handlers: { planReservation: plan } });
  await world.gpuDev("reserve --no-wait");
  const offered = world.offered.at(-1) ?? [];
  expect(offered.map(({ value }) => value)).toEqual(["1", "2", "3", "4", "5", "6", "7", "8", "16"]);
  expect(offered[2]?.name).toBe("3: start now");
  expect(offered[3]?.name).toBe("4: start in at most 3h");
  expect(offered[8]).toMatchObject({ disabled: "(16 GPUs are more than your 8)" });
});

test("of a type with many GPUs only the doubles are offered", async () => {
  const type = gpuType({ gpus_per_slot: 1, max_gpus_per_node: 56, full_nodes: 1 });
  const world = asking({ answers: ["h100", "56", "1h", ""], handlers: { listGpuTypes: () => page(type) } });
  await world.gpuDev("reserve --no-wait");
  expect(world.offered.at(-1)?.map(({ value }) => value)).toEqual(["1", "2", "4", "8", "16", "32", "56"]);
});

test("without a registered key the numbers are offered all the same, and nothing is reserved yet", async () => {
  const planReservation = () => new Problem("no_ssh_key", "you have no ssh key registered");
  const world = asking({ answers: ["h100", new Declined()], handlers: { planReservation } });
  expect((await world.gpuDev("reserve")).code).toBe(3);
  expect(world.offered.at(-1)?.[0]?.name).toBe("1");
  expect(routesOf(world)).not.toContain("createReservation");
});

test("the types can be looked up again", async () => {
  let free = 0;
  const listAvailability = () => page(available({ free: ++free }));
  const world = asking({ answers: ["", "h100", "1", "1h", ""], handlers: { listAvailability } });
  expect((await world.gpuDev("reserve --no-wait")).code).toBe(0);
  expect(world.offered.slice(0, 2).map((choices) => choices[0]?.name)).toEqual([
    expect.stringMatching(/^h100 +16 +1 /),
    expect.stringMatching(/^h100 +16 +2 /),
  ]);
});

test.each(["1", "1.5x", "3d", ""])("a duration like %j is refused with what is accepted", async (typed) => {
  const world = asking({ answers: [typed] });
  const done = await world.gpuDev("reserve -t h100 -g 1 -n train");
  expect(done.code).toBe(2);
  expect(done.stderr).toMatch(/90m, 1h30m|at most 2d/);
});

test("C-17 Ctrl-C at any of the questions asks the server for nothing, exit 3", async () => {
  const answers = ["h100", "2", "1h", "train"];
  for (const [i] of answers.entries()) {
    const world = asking({ answers: [...answers.slice(0, i), new Declined()] });
    const done = await world.gpuDev("reserve");
    expect([done.code, done.stdout]).toEqual([3, ""]);
    expect(routesOf(world)).not.toContain("createReservation");
  }
});

test.each([
  ["--no-input", { terminal: true }],
  ["no terminal", { terminal: false }],
  ["--json", { terminal: true }],
])(
  "C-18 with %s nothing is asked, and a missing type is a usage error that names the flag",
  async (how, options) => {
    const world = asking(options);
    const done = await world.gpuDev(`reserve ${how.startsWith("--") ? how : ""}`);
    expect(done.code).toBe(2);
    expect(done.stdout + done.stderr).toContain("--gpu-type is missing");
    expect(world.asked).toEqual([]);
  },
);

test("C-09 a server without any type is said to have none", async () => {
  const world = asking({ handlers: { listAvailability: () => page(), listGpuTypes: () => page() } });
  const done = await world.gpuDev("reserve");
  expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("none at the moment")]);
});

test("C-04 a server that goes away between two questions is said to be away, exit 75", async () => {
  const world = asking({ answers: ["h100"] });
  world.server.handlers.listGpuTypes = () => {
    throw Object.assign(new Error("refused"), { code: "ECONNREFUSED" });
  };
  const done = await world.gpuDev("reserve");
  expect([done.code, done.stderr]).toEqual([75, expect.stringContaining("No answer from http://gpu.test")]);
});
