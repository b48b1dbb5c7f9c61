/** Writers that want the same lock come one after the other, so that those that wait hold no connection of the pool. */
import { Problem } from "../api/errors.ts";

/** Longer than this nobody stands in line. */
const PATIENCE_MS = 120_000;

export interface Turns {
  /** `work` after all that was asked for `key` before. Throws Problem unavailable when its turn does not come in time. */
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createTurns(patienceMs = PATIENCE_MS): Turns {
  const last = new Map<string, Promise<unknown>>();
  return {
    take(key, work) {
      const came = performance.now();
      const inTime = () => {
        if (performance.now() - came <= patienceMs) return work();
        throw new Problem("unavailable", "too many want the same at the same time; try again", {
          retryAfter: 1,
        });
      };
      const turn = (last.get(key) ?? Promise.resolve()).then(inTime, inTime);
      last.set(key, turn);
      return turn;
    },
  };
}
