/**
 * Stops asking who fails again and again, so that nobody waits for what will not come (B-10). Closed, all calls go through; after so
 * many failures in a row it opens, and none does; after a while one is let through, and how that one ends decides.
 */

const FAILURES = 5;
const OPEN_MS = 30_000;

export class Breaker {
  readonly #now: () => number;
  #failures = 0;
  #openUntil: number | undefined;

  /** `now` is milliseconds of a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get open(): boolean {
    return this.#openUntil !== undefined;
  }

  /** 0 for a call that may go through; else the milliseconds until one may. */
  admit(): number {
    const waitMs = (this.#openUntil ?? 0) - this.#now();
    if (!this.open || waitMs > 0) return Math.max(0, waitMs);
    // The others wait for how this one ends.
    this.#openUntil = this.#now() + OPEN_MS;
    return 0;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = undefined;
  }

  failed(): void {
    this.#failures++;
    if (this.#failures >= FAILURES) this.#openUntil = this.#now() + OPEN_MS;
  }
}
