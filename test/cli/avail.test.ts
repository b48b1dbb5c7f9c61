import { expect, test } from "vitest";
import type { Availability } from "../../src/api/inventory.ts";
import { page } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const h100 = (free: number, latest_start_at: string): Availability => ({
  gpu_type: "h100",
  unit: "gpu",
  total: 8,
  free,
  used: 8 - free,
  unavailable: 0,
  closed_nodes: [],
  queued: 0,
  simulated: false,
  node_labels: {},
  isolation: "namespaces",
  max_duration_s: 172_800,
  latest_start_at,
});

test("C-14 nodes that give nothing for the same reason are one line", async () => {
  const away = "the Docker Engine cannot be asked: no answer in time";
  const closed_nodes = [
    { name: "a", why: away, since: "2026-01-01T11:00:00.000Z" },
    { name: "b", why: "it is cordoned", since: null },
    { name: "c", why: away, since: "2026-01-01T11:48:00.000Z" },
  ];
  const world = createWorld({
    handlers: { listAvailability: () => page({ ...h100(0, "2026-01-01T14:00:00.000Z"), closed_nodes }) },
  });
  expect((await world.gpuDev("avail")).stderr.trimEnd().split("\n")).toEqual([
    `Each of the nodes a, c gives nothing new, for up to 1h now: ${away}`,
    "Node b gives nothing new: it is cordoned",
  ]);
});

/** Asked again and again: GPUs get taken once, while the newcomer's start moves with the time. Ctrl-C ends it. */
function watching(options: WorldOptions = {}): World {
  let asked = 0;
  const world = createWorld({
    ...options,
    handlers: {
      listAvailability() {
        asked++;
        if (asked === 6) world.interrupt.abort();
        return page(h100(asked < 4 ? 8 : 6, world.now.toISOString()));
      },
    },
  });
  return world;
}

test("C-14 avail --watch --json is a line for each change, and a start that moves with the time is none", async () => {
  const done = await watching().gpuDev("avail --watch --json");
  expect(done).toMatchObject({ code: 130, stderr: "" });
  const free = done.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).items[0].free);
  expect(free).toEqual([8, 6]);
});

test("C-14 into a pipe it is a block for each change", async () => {
  const { stdout } = await watching().gpuDev("avail --watch");
  expect(stdout.split("\n\n")).toEqual([
    expect.stringMatching(/^h100\t8\t8\t/),
    expect.stringMatching(/^h100\t8\t6\t/),
  ]);
});

test("C-16 --timeout is the end of it, exit 8", async () => {
  const world = createWorld({
    handlers: { listAvailability: () => page(h100(8, "2026-01-01T12:00:00.000Z")) },
  });
  const done = await world.gpuDev("avail --watch --timeout 30s");
  expect(done.code).toBe(8);
  expect((await world.gpuDev("avail --timeout 30s")).code).toBe(2);
});
