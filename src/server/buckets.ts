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
/** When there is no room: whoever floods must not make each request look at all of them. */
const LOOKED_AT = 16;

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

  /** Takes one, which is 0, or says in how many seconds there is one. */
  take(key: string): number {
    const { perSecond } = this.#rate();
    if (perSecond === 0) return 0;
    const { level, at } = this.#filled(key);
    if (level < 1) return (1 - level) / perSecond;
    // Anew, so that the order of the map is that of their last use.
    this.#buckets.delete(key);
    if (this.#buckets.size >= MOST) this.#makeRoom();
    this.#buckets.set(key, { level: level - 1, at });
    return 0;
  }

  /** One that was taken is there again. */
  giveBack(key: string): void {
    if (!this.#buckets.has(key)) return;
    const { level, at } = this.#filled(key);
    this.#buckets.set(key, { level: Math.min(this.#rate().burst, level + 1), at });
  }

  /** As if nothing had ever been taken. */
  forget(key: string): void {
    this.#buckets.delete(key);
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

  /** Of the few that were used longest ago, those that are full again say nothing; if none is, the very oldest goes. */
  #makeRoom(): void {
    const { burst } = this.#rate();
    const oldest: string[] = [];
    for (const key of this.#buckets.keys()) {
      if (oldest.length === LOOKED_AT) break;
      oldest.push(key);
    }
    const full = oldest.filter((key) => this.#filled(key).level >= burst);
    for (const key of full.length > 0 ? full : oldest.slice(0, 1)) this.#buckets.delete(key);
  }
}
