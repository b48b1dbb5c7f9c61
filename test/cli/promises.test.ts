import { expect, test } from "vitest";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const waiting = queued({
  latest_start_at: "2026-01-01T13:29:30.000Z",
  estimated_start_at: "2026-01-01T13:28:30.000Z",
  reason: "waits for 2 h100; node node-1 has them by 2026-01-01T13:29Z; 2 are ahead",
});
const way = {
  change: "gpu_count",
  gpu_type: "h100",
  gpu_count: 1,
  simulated: false,
  duration_s: 3600,
} as const;

test("S-03 C-06 list says when at the latest, why, and what is ahead; a wait is rounded up", async () => {
  const world = createWorld({ handlers: { listReservations: () => page(waiting) } });
  const { stdout } = await world.gpuDev("list");
  expect(stdout.split("\t").slice(4, 7)).toEqual([
    "2026-01-01T13:29:30.000Z",
    expect.any(String),
    waiting.reason,
  ]);
  const { stdout: json } = await world.gpuDev("list --json");
  expect(JSON.parse(json).items[0]).toMatchObject({
    queue_position: 3,
    latest_start_at: waiting.latest_start_at,
  });
});

test.each([
  [{}, "#3, in at most 1h30m"],
  [{ latest_start_at: null }, "#3, start unknown"],
  [{ latest_start_at: "2026-01-01T11:59:00.000Z" }, "#3, any moment"],
  [{ start_at: "2026-01-02T08:00:00.000Z", estimated_start_at: "2026-01-02T08:00:00.000Z" }, "#3, in 20h"],
])("C-06 %j is worded %s", async (given, words) => {
  const world = createWorld({
    handlers: {
      listReservations: () => page(queued({ ...waiting, ...given })),
      listEvents: () => page(),
      listAdvice: () => page(),
    },
    terminal: true,
    env: { NO_COLOR: "1" },
  });
  expect((await world.gpuDev("show hello")).stdout).toContain(words);
});

test("show of one that waits tells how it would start sooner; of one that runs it does not ask", async () => {
  const world = createWorld({
    handlers: {
      listReservations: () => page(waiting),
      listEvents: () => page(),
      listAdvice: () =>
        page(
          { ...way, latest_start_at: "2026-01-01T12:10:00.000Z" },
          {
            ...way,
            change: "duration_s" as const,
            duration_s: 1800,
            latest_start_at: "2026-01-01T12:20:00.000Z",
          },
        ),
    },
    terminal: true,
    env: { NO_COLOR: "1" },
  });
  const { stdout } = await world.gpuDev("show hello");
  expect(stdout).toMatch(/sooner +with 1 × h100: in at most 10m/);
  expect(stdout).toMatch(/sooner +for 30m: in at most 20m/);
  expect(JSON.parse((await world.gpuDev("show hello --json")).stdout).start_sooner).toHaveLength(2);
  world.server.handlers = { listReservations: () => page(reservation()), listEvents: () => page() };
  expect((await world.gpuDev("show hello")).stdout).not.toContain("sooner");
});

test("edit --extend max asks for as much as there is, and a length for just that", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()), patchReservation: () => reservation() },
  });
  await world.gpuDev("edit hello --extend max");
  await world.gpuDev("edit hello --extend 90m");
  const bodies = world.server.requests.filter((r) => r.route === "patchReservation").map((r) => r.body);
  expect(bodies).toEqual([{ extend_max: true }, { extend_s: 5400 }]);
  expect((await world.gpuDev("edit hello --extend maximum")).code).toBe(2);
});
