import { describe, expect, test } from "vitest";
import { gpusFitAt, gpusOf, secondsAt, secondsFitAt, spansOf, WEEK_MS } from "../../src/core/quotas/use.ts";
import type { CountedRow } from "../../src/store/quotas.ts";

const NOW = Date.parse("2026-01-15T08:00:00.000Z");
const HOUR = 3_600_000;
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

const row = (given: Partial<CountedRow>): CountedRow => ({
  id: "a".repeat(20),
  owner_id: "u",
  state: "active",
  gpu_count: 2,
  duration_s: 4 * 3600,
  started_at: at(-1),
  ends_at: at(3),
  ending_at: null,
  ended_at: null,
  preparing_deadline: null,
  promised_start_at: null,
  image: null,
  build_id: null,
  ...given,
});
const queued = row({ state: "queued", started_at: null, ends_at: null });
const hours = (...rows: CountedRow[]) => secondsAt(spansOf(rows, NOW), NOW) / 3600;

describe("GPU hours within 7 days", () => {
  test("what is live counts from its first login to its planned end, what has none yet with all of its time", () => {
    expect(hours(row({}))).toBe(8);
    expect(hours(queued)).toBe(8);
    expect(hours(row({ state: "preparing", started_at: null, ends_at: null }))).toBe(8);
    expect(hours(row({}), queued)).toBe(16);
  });

  test("what is over counts until its end was begun, and not at all when ssh never worked", () => {
    const over = { state: "cancelled", ending_at: at(-0.5), ended_at: at(-0.25) } as const;
    expect(hours(row(over))).toBe(1);
    expect(hours(row({ ...over, ending_at: null, ended_at: at(-0.5) }))).toBe(1);
    expect(hours(row({ ...over, state: "failed", started_at: null, ends_at: null }))).toBe(0);
    expect(hours(row({ state: "ending", ending_at: at(-0.5) }))).toBe(1);
  });

  test("only the part within the 7 days counts, which slides on", () => {
    const old = row({
      state: "expired",
      started_at: at(-170),
      ends_at: at(-166),
      ending_at: at(-166),
      ended_at: at(-166),
    });
    expect(hours(old)).toBe(4);
    const spans = spansOf([old], NOW);
    expect(secondsAt(spans, NOW + HOUR) / 3600).toBe(2);
    expect(secondsAt(spans, NOW + 2 * HOUR)).toBe(0);
  });

  test("when there is room again is exact, and more than all of it never fits", () => {
    const spans = spansOf(
      [row({ state: "expired", started_at: at(-4), ends_at: at(0), ending_at: at(0), ended_at: at(0) })],
      NOW,
    );
    expect(secondsFitAt(spans, 8 * 3600, 0, NOW)).toBe(NOW);
    const fits = secondsFitAt(spans, 8 * 3600, 2 * 3600, NOW) ?? 0;
    expect(fits).toBe(NOW - 4 * HOUR + WEEK_MS + HOUR);
    expect(secondsAt(spans, fits) + 2 * 3600).toBeLessThanOrEqual(8 * 3600);
    expect(secondsAt(spans, fits - 1) + 2 * 3600).toBeGreaterThan(8 * 3600);
    expect(secondsFitAt(spans, 8 * 3600, 8 * 3600 + 1, NOW)).toBeUndefined();
    expect(secondsFitAt([], 10, 10, NOW)).toBe(NOW);
  });
});

describe("GPUs at once", () => {
  const planned = row({ state: "queued", started_at: null, ends_at: null, promised_start_at: at(1) });

  test("a place in the plan counts as its GPUs do", () => {
    expect(gpusOf([row({}), planned, row({ state: "ending" })])).toBe(6);
  });

  test("there is room when enough of those before have ended; an end that nobody knows makes it unknown", () => {
    const soon = row({ ends_at: at(1) });
    expect(gpusFitAt([soon, row({})], 4, 2, NOW)).toBe(Date.parse(at(1)));
    expect(gpusFitAt([soon, row({})], 4, 4, NOW)).toBe(Date.parse(at(3)));
    expect(gpusFitAt([soon], 4, 2, NOW)).toBe(NOW);
    expect(gpusFitAt([row({ state: "ending" })], 2, 2, NOW)).toBe(NOW);
    expect(gpusFitAt([planned], 2, 2, NOW)).toBe(Date.parse(at(5)) + 5 * 60_000);
    expect(gpusFitAt([queued], 2, 2, NOW)).toBeUndefined();
    expect(gpusFitAt([row({})], 2, 3, NOW)).toBeUndefined();
  });
});
