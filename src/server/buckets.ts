/** Token buckets by key: each holds up to `burst` and fills again with time. In memory, and bounded in number. */

export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

interface Bucket {
  level: number;
  /** When it had that level, in milliseconds. */
  at: number;
}

/** About 2 MB; who floods from more addresses than that shares the oldest ones' fate with nobody: they begin anew. */
const MOST = 10_000;

export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #rate: () => Rate;
  readonly #now: () => number;

  /** `now` in milliseconds, of a clock that never goes back. A rate of 0 is no limit. */
  constructor(rate: () => Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
  }

  /** True for a key from which something was taken lately. */
  has(key: string): boolean {
    return this.#buckets.has(key);
  }

  /** Seconds until one can be taken; 0 when it can be now. */
  wait(key: string): number {
    const { perSecond } = this.#rate();
    const { level } = this.#filled(key);
    return perSecond === 0 || level >= 1 ? 0 : (1 - level) / perSecond;
  }

  /** Takes one if there is one. */
  take(key: string): void {
    const { level, at } = this.#filled(key);
    if (level < 1) return;
    // Anew, so that the order of the map is that of their last use.
    this.#buckets.delete(key);
    if (this.#buckets.size >= MOST) this.#makeRoom();
    this.#buckets.set(key, { level: level - 1, at });
  }

  /** One that was taken is there again. */
  giveBack(key: string): void {
    if (!this.#buckets.has(key)) return;
    const { level, at } = this.#filled(key);
    this.#buckets.set(key, { level: Math.min(this.#rate().burst, level + 1), at });
  }

  get size(): number {
    return this.#buckets.size;
  }

  #filled(key: string): Bucket {
    const { perSecond, burst } = this.#rate();
    const now = this.#now();
    const { level, at } = this.#buckets.get(key) ?? { level: burst, at: now };
    return { level: Math.min(burst, level + ((now - at) / 1000) * perSecond), at: now };
  }

  /** One that is full again says nothing; if none is, the one that was used longest ago goes. */
  #makeRoom(): void {
    const { burst } = this.#rate();
    for (const key of this.#buckets.keys()) if (this.#filled(key).level >= burst) this.#buckets.delete(key);
    const [oldest] = this.#buckets.keys();
    if (oldest !== undefined && this.#buckets.size >= MOST) this.#buckets.delete(oldest);
  }
}
