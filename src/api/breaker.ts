/**
 * Stops asking who fails again and again, so that nobody waits for what will not come (B-10). Closed, all calls go through; after so
 * many failures in a row it opens, and none does; after a while one is let through, and how that one ends decides.
 */

interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Milliseconds until one call is let through; twice as long after each that fails, up to the longest. */
  readonly pauseMs: number;
  readonly longestMs: number;
  /** For so long the others wait for how that one ends. */
  readonly trialMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  /** Told once when it opens, with the last failure, and with undefined when it closes. */
  readonly changed?: (fault: Error | undefined) => void;
}

/** What this process has seen of somebody whom it asks. */
export interface BreakerState {
  /** Calls that were answered, that failed, and that were not made because it is taken for down. */
  readonly answered: number;
  readonly failed: number;
  readonly refused: number;
  readonly down: boolean;
}

/** Somebody who is asked by this process, and may be down. */
export interface OutsideService {
  /** As health and metrics have it. */
  readonly name: string;
  state(): BreakerState;
}

export class Breaker {
  readonly #options: BreakerOptions;
  readonly #counts = { answered: 0, failed: 0, refused: 0 };
  #inARow = 0;
  /** Those that failed since it opened, and whether one is going on. */
  #trials = 0;
  #trying = false;
  /** While it is open: from when on one call may go through. */
  #nextAt: number | undefined;
  #fault: Error | undefined;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get open(): boolean {
    return this.#nextAt !== undefined;
  }

  /** The last failure, if nothing was answered since. */
  get fault(): Error | undefined {
    return this.#fault;
  }

  state(): BreakerState {
    return { ...this.#counts, down: this.open };
  }

  /** 0 for a call that may go through, whose end is then told; else the milliseconds until one may. */
  admit(): number {
    if (this.#nextAt === undefined) return 0;
    const waitMs = this.#nextAt - this.#now();
    if (waitMs > 0) {
      this.#counts.refused++;
      return waitMs;
    }
    this.#trying = true;
    this.#nextAt = this.#now() + this.#options.trialMs;
    return 0;
  }

  succeeded(): void {
    this.#counts.answered++;
    const wasOpen = this.open;
    this.#inARow = this.#trials = 0;
    this.#trying = false;
    this.#nextAt = this.#fault = undefined;
    if (wasOpen) this.#options.changed?.(undefined);
  }

  /** `final` opens it whatever was before. */
  failed(fault: Error, final = false): void {
    const { failures, pauseMs, longestMs, changed } = this.#options;
    this.#counts.failed++;
    this.#inARow++;
    this.#fault = fault;
    if (!this.open && !final && this.#inARow < failures) return;
    const wasOpen = this.open;
    if (this.#trying) this.#trials++;
    this.#trying = false;
    this.#nextAt = this.#now() + Math.min(longestMs, pauseMs * 2 ** this.#trials);
    if (!wasOpen) changed?.(fault);
  }

  /** A call was broken off by who made it, which says nothing: if one was let through, the next one may try. */
  brokenOff(): void {
    if (this.#trying) this.#nextAt = this.#now();
    this.#trying = false;
  }

  #now(): number {
    return (this.#options.now ?? monotonic)();
  }
}

const monotonic = (): number => performance.now();
