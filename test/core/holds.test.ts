/** When what is held gets free: pure. */
import { expect, test } from "vitest";
import { freeAt } from "../../src/core/planning/holds.ts";

const MINUTE_MS = 60_000;
const SINCE = Date.parse("2026-01-05T08:00:00.000Z");
const at = (minutes: number) => SINCE + minutes * MINUTE_MS;
const text = (minutes: number) => new Date(at(minutes)).toISOString();

/** Minutes after the ending began at which it is free, asked so many minutes after that. */
function freeIn(endsIn: number | null, asked: number): number | undefined {
  const free = freeAt(
    {
      state: "ending",
      state_since: text(0),
      ends_at: endsIn === null ? null : text(endsIn),
      preparing_deadline: text(5),
      duration_s: 3600,
    },
    at(asked),
  );
  return free && (free - SINCE) / MINUTE_MS;
}

test("S-06 who was cancelled early is waited for as long as a pod may take, and then to his own end", () => {
  expect([0, 3, 14].map((asked) => freeIn(300, asked))).toEqual([15, 15, 15]);
  expect([15, 60, 302].map((asked) => freeIn(300, asked))).toEqual([301, 301, 301]);
  // While it was prepared: five minutes for that and an hour.
  expect([0, 15].map((asked) => freeIn(null, asked))).toEqual([15, 66]);
});

test("S-06 who has less than that to run is gone by his own end", () => {
  expect([0, 7, 8].map((asked) => freeIn(5, asked))).toEqual([6, 6, 20]);
});

test("S-06 who ends in time is gone in a moment, then late, then nobody can tell", () => {
  expect([0, 2, 3, 15].map((asked) => freeIn(0, asked))).toEqual([1, 1, 15, undefined]);
});
