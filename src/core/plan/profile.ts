/**
 * How many places of one node are free over time: a step function, kept as the instants at which it changes. Its first
 * step has no beginning, so that the present may move on without touching it.
 */

/** A longest time during which a node has at least a number of places free. */
export interface Window<Owner> {
  readonly from: number;
  readonly until: number;
  /** Free places at its beginning. */
  readonly free: number;
  readonly owner: Owner;
}

export class Profile {
  readonly #times = [Number.NEGATIVE_INFINITY];
  readonly #free: number[];

  constructor(places: number) {
    this.#free = [places];
  }

  get freeNow(): number {
    return this.#at(0);
  }

  /** When it changes next. */
  get nextChange(): number {
    return this.#times[1] ?? Number.POSITIVE_INFINITY;
  }

  /** Adds places (negative: takes them) over a time; `from` -Infinity means from the present on. */
  add(places: number, from: number, until: number): void {
    const first = this.#cut(from);
    const last = this.#cut(until);
    for (let i = first; i < last; i++) this.#free[i] = this.#at(i) + places;
    this.#merge(last);
    this.#merge(first);
  }

  /** Forgets what is over. */
  trim(now: number): void {
    let over = 0;
    while ((this.#times[over + 1] ?? Number.POSITIVE_INFINITY) <= now) over++;
    this.#times.splice(0, over);
    this.#free.splice(0, over);
    this.#times[0] = Number.NEGATIVE_INFINITY;
  }

  freeAt(instant: number): number {
    return this.#at(this.#step(instant));
  }

  /** The first instant, `from` or later, from which the places are free right up to `until`. */
  freeUpTo(until: number, places: number, from: number): number {
    for (let i = this.#step(until); i >= 0 && (this.#times[i + 1] ?? until) > from; i--)
      if (this.#start(i) < until && this.#at(i) < places)
        return this.#times[i + 1] ?? Number.POSITIVE_INFINITY;
    return from;
  }

  /** All windows that overlap or touch a time, in order. */
  windows<Owner>(owner: Owner, places: number, from: number, until: number): Window<Owner>[] {
    const found: Window<Owner>[] = [];
    for (let i = this.#reach(places, from); i < this.#times.length && this.#start(i) <= until; i++) {
      const free = this.#at(i);
      if (free < places) continue;
      const start = this.#start(i);
      while (this.#at(i + 1) >= places) i++;
      found.push({ from: start, until: this.#times[i + 1] ?? Number.POSITIVE_INFINITY, free, owner });
    }
    return found;
  }

  /** The first step of the window that reaches `from`. */
  #reach(places: number, from: number): number {
    let i = this.#step(from);
    if (i > 0 && this.#start(i) === from) i--;
    while (i > 0 && this.#at(i) >= places && this.#at(i - 1) >= places) i--;
    return i;
  }

  /** The step that holds at an instant. */
  #step(instant: number): number {
    let low = 0;
    let high = this.#times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#start(middle) <= instant) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The step that begins at an instant, made if there is none. */
  #cut(instant: number): number {
    if (instant === Number.POSITIVE_INFINITY) return this.#times.length;
    const i = this.#step(instant);
    if (this.#start(i) === instant) return i;
    this.#times.splice(i + 1, 0, instant);
    this.#free.splice(i + 1, 0, this.#at(i));
    return i + 1;
  }

  /** A step that is like the one before it is no step. */
  #merge(i: number): void {
    if (i === 0 || i >= this.#times.length || this.#at(i) !== this.#at(i - 1)) return;
    this.#times.splice(i, 1);
    this.#free.splice(i, 1);
  }

  #start(i: number): number {
    return this.#times[i] as number;
  }

  /** -1 behind the end: fewer than any request wants. */
  #at(i: number): number {
    return this.#free[i] ?? -1;
  }
}
