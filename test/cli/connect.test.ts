import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Reservation } from "../../src/api/schemas.ts";
import type { RunProgram } from "../../src/cli/context.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World } from "./helpers/world.ts";

const exits =
  (code: number): RunProgram =>
  async () => ({ code, stdout: "", stderr: "" });

/** A world with one reservation, which is `after` when it is asked for by its id. */
function worldWith(now: Reservation, code = 0, after: Reservation = now): World {
  return createWorld({
    handlers: { listReservations: () => page(now), getReservation: () => after },
    runProgram: exits(code),
  });
}

test("connect runs the real ssh with our configuration and exits with the command's code", async () => {
  const world = worldWith(reservation(), 7);
  const done = await world.gpuDev("connect hello -- nvidia-smi -L --json");
  expect(done).toEqual({ code: 7, stdout: "", stderr: "" });
  const file = join(world.home, "gd", "ssh_config");
  expect(world.programs).toEqual([
    ["ssh", "-F", file, "gpu-dev-abcdefgh", "--", "nvidia-smi", "-L", "--json"],
  ]);
  expect(readFileSync(file, "utf8")).toContain("gpu-dev-abcdefgh");
});

test("C-01 connect --json gives a command's output and exit code as one document", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()), getReservation: () => reservation() },
    runProgram: async () => ({ code: 3, stdout: "GPU 0\n", stderr: "careful\n" }),
  });
  const done = await world.gpuDev("connect hello --json -- nvidia-smi -L");
  expect(done.code).toBe(3);
  expect(JSON.parse(done.stdout)).toEqual({
    id: reservation().id,
    exit_code: 3,
    stdout: "GPU 0\n",
    stderr: "careful\n",
  });
});

test("connect without a command opens a shell", async () => {
  const world = worldWith(reservation());
  expect((await world.gpuDev("connect hello")).code).toBe(0);
  expect(world.programs[0]?.at(-1)).toBe("gpu-dev-abcdefgh");
});

test("connect waits for one that is being prepared", async () => {
  const world = worldWith(reservation({ state: "preparing", host_key: null }), 0, reservation());
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(0);
  expect(done.stderr).toContain("Preparing");
  expect(world.programs).toHaveLength(1);
});

test("C-16 connect waits for it 60 s, then says still pending", async () => {
  const world = worldWith(reservation({ state: "preparing", last_error: "ssh: banner missing" }));
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(8);
  expect(done.stderr).toContain("still preparing after 1m");
  expect(done.stderr).toContain("last try: ssh: banner missing");
  expect(world.programs).toEqual([]);
});

test.each([
  [queued(), "hello is still queued: #3, start unknown"],
  [
    reservation({ state: "expired", ended_at: "2026-01-01T11:50:00.000Z", reason: "time is up" }),
    "hello is expired since 2026-01-01T11:50:00.000Z: time is up",
  ],
  [reservation({ state: "failed", reason: "the pod died" }), "hello failed: the pod died"],
  [reservation({ state: "ending" }), "hello is ending"],
])("connect refuses one that is not active, exit 9 (%#)", async (now, words) => {
  const world = worldWith(now);
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(9);
  expect(done.stderr).toContain(words);
  expect(world.programs).toEqual([]);
});

describe("C-24 after 255 it says which it was", () => {
  test("C-24 the reservation ended", async () => {
    const world = worldWith(reservation(), 255, reservation({ state: "expired", reason: "time is up" }));
    const done = await world.gpuDev("connect hello");
    expect(done.code).toBe(255);
    expect(done.stderr).toContain("hello is expired: time is up");
  });

  test("C-24 the connection dropped or was refused", async () => {
    const done = await worldWith(reservation(), 255).gpuDev("connect hello");
    expect(done.code).toBe(255);
    expect(done.stderr).toContain("hello is active: the connection dropped or was refused");
  });
});

test("a machine without ssh is told what to install", async () => {
  const world = createWorld({
    handlers: { listReservations: () => page(reservation()) },
    runProgram: async () => {
      throw Object.assign(new Error("spawn ssh ENOENT"), { code: "ENOENT" });
    },
  });
  const done = await world.gpuDev("connect hello");
  expect(done.code).toBe(1);
  expect(done.stderr).toContain("apt install openssh-client");
});
