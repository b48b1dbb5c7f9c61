/** A clock that stands still until a test moves it. */
import type { Clock } from "../../src/store/db.ts";

export interface TestClock extends Clock {
  /** Moves it by milliseconds. */
  tick(ms: number): void;
}

export function createClock(start = "2026-01-05T08:00:00.000Z"): TestClock {
  let time = Date.parse(start);
  return {
    now: () => new Date(time),
    tick(ms) {
      time += ms;
    },
  };
}
