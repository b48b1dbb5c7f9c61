import { expect, test } from "vitest";
import { decayed, decayedUse } from "../../src/core/planning/share.ts";

const HOUR_MS = 3_600_000;
const WEEK_MS = 7 * 24 * HOUR_MS;

test("S-03 use counts half after a week, and never more than it was", () => {
  expect(decayed(100, WEEK_MS)).toBe(50);
  expect(decayed(100, 3 * WEEK_MS)).toBe(12.5);
  expect(decayed(100, -WEEK_MS)).toBe(100);
});

test("S-03 the use of a time is the sum of its moments, each decayed by its own age", () => {
  const [start, end, now] = [0, 30 * HOUR_MS, 50 * HOUR_MS];
  let sum = 0;
  for (let at = start; at < end; at += 60_000) sum += 8 * decayed(60, now - at - 30_000);
  expect(decayedUse(8, start, end, now)).toBeCloseTo(sum, 1);
  expect(decayedUse(8, start, end, end + WEEK_MS)).toBeCloseTo(decayedUse(8, start, end, end) / 2, 6);
  // Just now it is the plain GPU seconds, less what the time itself took away.
  expect(decayedUse(2, 0, 1000, 1000)).toBeCloseTo(2, 4);
});
