import { expect, test } from "vitest";
import { phases, phaseWords } from "../../src/cli/output/phases.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const at = (time: string) => `2026-01-01T${time}Z`;
const NOW = new Date(at("12:00:00.000"));

test("C-06 each phase is told with what it took, rounded down, tenths of a second below ten", () => {
  const r = reservation({
    created_at: at("11:26:59.000"),
    placed_at: at("11:30:00.000"),
    launched_at: at("11:30:00.299"),
    proved_at: at("11:30:00.999"),
    started_at: at("11:30:01.000"),
  });
  expect(phaseWords(phases(r, NOW))).toBe("queued 3m, preparing 1.0s (launch 0.2s, ssh 0.7s), active 29m");
});

test("C-06 one that ended keeps its durations; phases that it never had are not told", () => {
  const over = reservation({
    created_at: at("11:00:00.000"),
    placed_at: at("11:00:59.950"),
    launched_at: at("11:01:00.000"),
    proved_at: null,
    started_at: null,
    ending_at: at("11:05:59.950"),
    ended_at: at("11:06:09.949"),
    state: "failed",
  });
  const words = "queued 59s, preparing 5m (launch 0.0s), ending 9.9s";
  expect(phaseWords(phases(over, NOW))).toBe(words);
  const cancelled = queued({ created_at: at("11:00:00.000"), ended_at: at("11:20:00.000") });
  expect(phases(cancelled, NOW)).toMatchObject([
    { phase: "queued", duration_ms: 20 * 60_000, ended_at: at("11:20:00.000") },
  ]);
});

test("C-06 a clock that is behind the server's makes no negative time", () => {
  expect(phaseWords(phases(queued({ created_at: at("12:00:07.000") }), NOW))).toBe("queued 0.0s");
});

test("show tells the phases, and --json has them as numbers", async () => {
  const handlers = { listReservations: () => page(reservation()), listEvents: () => page() };
  const shown = await createWorld({ handlers }).gpuDev("show hello");
  expect(shown.stdout).toContain("took\tqueued 29m, preparing 1.0s (launch 0.2s, ssh 0.7s), active 30m\n");
  const { phases: list } = JSON.parse((await createWorld({ handlers }).gpuDev("show hello --json")).stdout);
  expect(list[1]).toMatchObject({
    phase: "preparing",
    duration_ms: 1000,
    steps: [
      { step: "launch", duration_ms: 200 },
      { step: "ssh", duration_ms: 700 },
    ],
  });
});
