/** Measures how long bytes take through this process. */
import type { Clock } from "./clock.ts";

/** Samples are enough: a measurement of each message would cost more than the message. */
const EVERY_MS = 100;
/** And of so many messages, one is a sample: to ask for the time costs a tenth of what a key costs here. */
const ONE_OF = 8;

export class Stopwatch {
  readonly #clock: Clock;
  readonly #report: (ms: number) => void;
  #since: number | undefined;
  #skipped = ONE_OF;
  #last = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, report: (ms: number) => void) {
    this.#clock = clock;
    this.#report = report;
  }

  /** A byte came that found nothing waiting before it; true when it is measured. What waits behind others tells of its reader, not of us. */
  start(): boolean {
    this.#skipped += 1;
    if (this.#skipped < ONE_OF) return false;
    this.#skipped = 0;
    const now = this.#clock.now();
    if (this.#since !== undefined || now - this.#last < EVERY_MS) return false;
    this.#since = now;
    this.#last = now;
    return true;
  }

  /** The kernel has it. */
  stop(): void {
    if (this.#since === undefined) return;
    this.#report(this.#clock.now() - this.#since);
    this.#since = undefined;
  }
}
