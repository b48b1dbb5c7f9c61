import type { Clock } from "../../src/tunnel/clock.ts";

interface Timer {
  at: number;
  readonly every: number | undefined;
  readonly act: () => void;
}

/** A clock that stands still until it is ticked. */
export class FakeClock implements Clock {
  #now = 0;
  readonly #timers = new Set<Timer>();

  /** Timers that are set: what a closed tunnel must leave at none. */
  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, act: () => void): () => void {
    return this.#set({ at: this.#now + ms, every: undefined, act });
  }

  every(ms: number, act: () => void): () => void {
    return this.#set({ at: this.#now + ms, every: ms, act });
  }

  /** Goes forward, calling what falls due in order. */
  tick(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      this.#now = next.at;
      if (next.every === undefined) this.#timers.delete(next);
      else next.at += next.every;
      next.act();
    }
    this.#now = end;
  }

  #next(end: number): Timer | undefined {
    const due = [...this.#timers].filter((timer) => timer.at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }

  #set(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }
}
