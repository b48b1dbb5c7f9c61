/** Writers that want the same lock come one after the other, so that those that wait hold no connection of the pool. */
import { Problem } from "../api/errors.ts";

/** Longer than this nobody stands in line. */
const PATIENCE_MS = 120_000;

export interface Turns {
  /** `work` after all that was asked for `key` before. Throws Problem unavailable when its turn does not come in time. */
  take<T>(key: string, work: () => Promise<T>): Promise<T>;
}

export function createTurns(patienceMs = PATIENCE_MS): Turns {
  const last = new Map<string, Promise<void>>();
  return {
    take<T>(key: string, work: () => Promise<T>) {
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      let gone = false;
      const late = setTimeout(() => {
        gone = true;
        reject(tooMany());
      }, patienceMs);
      const turn = async () => {
        clearTimeout(late);
        // Who was refused has gone away: it must not be done after all.
        if (!gone) await work().then(resolve, reject);
      };
      last.set(key, (last.get(key) ?? Promise.resolve()).then(turn));
      return promise;
    },
  };
}

const tooMany = (): Problem =>
  new Problem("unavailable", "too many want the same at the same time; try again", { retryAfter: 1 });
