/** What got freer and has not been offered to all yet: it tells who may gain, so that nobody else is looked at. */
import type { Window } from "./profile.ts";
import { type Booking, type Host, type Schedule, same } from "./schedule.ts";
import { Windows } from "./windows.ts";

export class Freed {
  readonly #schedule: Schedule;
  /** Windows that were not there before, by places. Those that were used since are found out when they are asked for. */
  readonly #levels = new Map<number, Windows<Host>>();

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  /** Does something, and remembers what it freed on these nodes. */
  watch(nodes: Iterable<string>, act: () => void): void {
    const before = new Map([...nodes].map((name) => [name, this.#snapshot(name)]));
    act();
    for (const [name, levels] of before)
      for (const [places, old] of levels)
        for (const window of outside(this.#schedule.windowsOf(name, places), old)) this.#note(places, window);
  }

  clear(): void {
    this.#levels.clear();
    for (const host of this.#schedule.hosts.values()) host.freed = false;
  }

  /** Whether it may let this one start before `limit`; false only when it cannot. */
  mayServe({ request, span, from, hosts }: Booking, limit: number): boolean {
    const { places } = request;
    const later = limit > this.#schedule.now + 1;
    // With its own place given up, whatever is free just before it makes one long window.
    for (const { freed, profile } of hosts)
      if (
        freed &&
        (later || profile.freeNow >= places) &&
        profile.freeUpTo(from, places, 0) < Math.min(limit, from)
      )
        return true;
    const level = this.#levels.get(places);
    for (;;) {
      const window = level?.find(span, this.#schedule.now, limit);
      if (!level || !window) return false;
      const left = this.#schedule.hosts.get(window.owner.name)?.profile;
      const parts = left?.windows(window.owner, places, window.from, window.until) ?? [];
      if (parts.some((part) => same(part, window))) return true;
      level.remove(window);
      for (const part of parts) if (part.from >= window.from && part.until <= window.until) level.add(part);
    }
  }

  #snapshot(name: string): [places: number, Window<Host>[]][] {
    return this.#schedule.levels.map((places) => [places, this.#schedule.windowsOf(name, places)]);
  }

  #note(places: number, window: Window<Host>): void {
    window.owner.freed = true;
    const level = this.#levels.get(places);
    if (level) level.add(window);
    else this.#levels.set(places, new Windows([window]));
  }
}

/** Those windows that do not lie within an old one; both in order. */
function outside(windows: readonly Window<Host>[], old: readonly Window<Host>[]): Window<Host>[] {
  let i = 0;
  return windows.filter(({ from, until }) => {
    while ((old[i]?.until ?? until) < until) i++;
    return (old[i]?.from ?? Number.POSITIVE_INFINITY) > from;
  });
}
