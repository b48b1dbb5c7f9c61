import type { Clock } from "./clock.ts";

/** Load balancers drop idle connections at 30 to 60 s. */
const PING_MS = 15_000;
/** Counted in pings, not by the wall clock: a laptop that slept is not a dead peer. */
const SILENT_PINGS = 4;

export interface Line {
  ping(): void;
  /** Bytes that ever came in. */
  bytesRead(): number;
}

/** Pings every 15 s and calls `dead` once 60 s passed without a byte; the answer stops it. */
export function keepAlive(line: Line, clock: Clock, dead: () => void): () => void {
  let seen = line.bytesRead();
  let silent = 0;
  const stop = clock.every(PING_MS, () => {
    const now = line.bytesRead();
    silent = now === seen ? silent + 1 : 0;
    seen = now;
    if (silent < SILENT_PINGS) return line.ping();
    stop();
    dead();
  });
  return stop;
}
