/** What comes over a stream, waited for at most a while at a time. */
import type { Clock } from "../context.ts";

export type Arrival =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "end" }
  /** What answered has no stream. */
  | { readonly kind: "unsupported" };

export interface Arrivals {
  /** The next one; undefined when `ms` passed first, and it goes on being waited for. Rejects as the stream does, or with the signal's reason. */
  next(clock: Clock, ms: number, signal: AbortSignal): Promise<Arrival | undefined>;
}

/** Of the stream that `dial` opens with the first `next`. */
export function arrivals(dial: () => Promise<AsyncIterable<Uint8Array> | undefined>): Arrivals {
  const source = read(dial);
  let pending: Promise<Arrival> | undefined;
  return {
    async next(clock, ms, signal) {
      pending ??= source.next().then(({ value }) => value ?? { kind: "end" });
      const arrived = await within(pending, clock, ms, signal);
      if (arrived !== undefined) pending = undefined;
      return arrived;
    },
  };
}

async function* read(
  dial: () => Promise<AsyncIterable<Uint8Array> | undefined>,
): AsyncGenerator<Arrival, undefined, undefined> {
  const body = await dial();
  if (!body) yield { kind: "unsupported" };
  for await (const bytes of body ?? []) yield { kind: "bytes", bytes };
}

/** `promise`, or undefined after `ms`; the timer goes with whichever is first, so that it holds no process open. */
async function within<T>(
  promise: Promise<T>,
  clock: Clock,
  ms: number,
  signal: AbortSignal,
): Promise<T | undefined> {
  const done = new AbortController();
  const asleep = clock.sleep(ms, AbortSignal.any([done.signal, signal])).then(
    () => undefined,
    // Woken because the other came first; what the signal means is the reader's to say.
    () => signal.throwIfAborted(),
  );
  try {
    return (await Promise.race([promise, asleep])) as T | undefined;
  } finally {
    asleep.catch(ignoreLate);
    promise.catch(ignoreLate);
    done.abort();
  }
}

/** Whoever waits next gets it, or nobody does because the stream is given up. */
const ignoreLate = (): void => undefined;
