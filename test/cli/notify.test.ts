import { describe, expect, test } from "vitest";
import { runProgram } from "../../src/cli/run-program.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const BELL = "\u0007";
const RESERVE = ["reserve", "--gpu-type", "h100", "--time", "1h"];

/** A reservation that is queued, and then as `then` says. */
const world = (then = reservation(), options: WorldOptions = {}) =>
  createWorld({
    ...options,
    handlers: {
      createReservation: () => queued(),
      getReservation: () => then,
      listReservations: () => page(),
      getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
    },
  });

describe("reserve tells who waits", () => {
  test("--bell rings a terminal once, when it is active and when it failed, and nothing else", async () => {
    const env = { TERM: "dumb" };
    const rings = (text: string) => text.split(BELL).length - 1;
    const active = await world(reservation(), { terminal: true, env }).gpuDev([...RESERVE, "--bell"]);
    expect([active.code, rings(active.stderr), rings(active.stdout)]).toEqual([0, 1, 0]);
    const failed = reservation({ state: "failed", ended_at: "2026-01-01T12:00:00.000Z" });
    const late = await world(failed, { terminal: true, env }).gpuDev([...RESERVE, "--bell"]);
    expect([late.code, rings(late.stderr)]).toEqual([10, 1]);
    const piped = await world().gpuDev([...RESERVE, "--bell"]);
    expect(rings(piped.stderr + piped.stdout)).toBe(0);
    const silent = await world(reservation(), { terminal: true, env }).gpuDev(RESERVE);
    expect(rings(silent.stderr)).toBe(0);
  });

  test("--exec runs once it is active, with what it needs to know; its failure is told", async () => {
    const ran: unknown[] = [];
    const exits = (code: number): WorldOptions => ({
      async runProgram(command, args, stdio, env) {
        if (command !== "sh") return runProgram(command, args, stdio);
        ran.push([
          args,
          stdio,
          env?.GPU_DEV_RESERVATION_ID,
          env?.GPU_DEV_SSH_HOST,
          env?.GPU_DEV_HOME !== undefined,
        ]);
        return { code, stdout: "", stderr: "" };
      },
    });
    const line = [...RESERVE, "--exec", "echo hi", "--json"];
    const done = await world(reservation(), exits(0)).gpuDev(line);
    expect(done.code).toBe(0);
    const { id } = JSON.parse(done.stdout);
    expect(ran).toEqual([[["-c", "echo hi"], "talk", id, `gpu-dev-${id.slice(0, 8)}`, true]]);
    const failing = await world(reservation(), exits(3)).gpuDev(line);
    expect(failing.code).toBe(1);
    expect(failing.stderr).toContain(
      "The command of --exec ended with code 3; the reservation is active all the same",
    );
    expect(JSON.parse(failing.stdout)).toMatchObject({ state: "active" });
    const failed = reservation({ state: "failed", ended_at: "2026-01-01T12:00:00.000Z" });
    expect((await world(failed, exits(0)).gpuDev(line)).code).toBe(10);
    expect(ran).toHaveLength(2);
  });

  test("what waits for nothing is not told: --no-wait goes with neither", async () => {
    for (const flags of [["--bell"], ["--exec", "true"]]) {
      const w = world();
      const done = await w.gpuDev([...RESERVE, "--no-wait", ...flags]);
      expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining("--no-wait does not wait") });
      expect(w.server.requests).toEqual([]);
    }
  });
});
