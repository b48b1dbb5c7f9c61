/** What happens to the machine that no connection tells: it slept, or it moved to another network. */
import { networkInterfaces } from "node:os";
import type { Clock } from "./clock.ts";

/** What is looked at, as a value: tests have their own. */
export interface Surroundings {
  /** Milliseconds of the time of day. A sleeping machine's timers stand still; this goes on. */
  wallClock(): number;
  /** Addresses of this machine. */
  addresses(): ReadonlySet<string>;
}

export const realSurroundings: Surroundings = {
  wallClock: () => Date.now(),
  addresses: () =>
    new Set(Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))),
};

export interface Changes {
  /** The time of day jumped by more than 30 s: connections from before may be dead. */
  onWake(): void;
  /** The machine has other addresses than before; connections from one that is `gone` are dead. */
  onMove(gone: ReadonlySet<string>): void;
}

const LOOK_MS = 2_000;
const SLEPT_MS = 30_000;

/** Looks every 2 s; the answer ends it. */
export function watchSurroundings(surroundings: Surroundings, clock: Clock, changes: Changes): () => void {
  let time = surroundings.wallClock();
  let addresses = surroundings.addresses();
  return clock.every(LOOK_MS, () => {
    const before = { time, addresses };
    time = surroundings.wallClock();
    addresses = surroundings.addresses();
    if (time - before.time > SLEPT_MS) changes.onWake();
    const gone = without(before.addresses, addresses);
    if (gone.size > 0 || without(addresses, before.addresses).size > 0) changes.onMove(gone);
  });
}

const without = (all: ReadonlySet<string>, others: ReadonlySet<string>): ReadonlySet<string> =>
  new Set([...all].filter((each) => !others.has(each)));
