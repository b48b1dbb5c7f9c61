/**
 * Gives freed capacity to those who wait: each in turn is lifted out and placed at its earliest fit with all others fixed,
 * in rounds, until nobody can start earlier. Nobody gets later. Who cannot gain from what was freed is not even looked at.
 */
import { type Board, type Entry, lift, placeEarliest } from "./board.ts";
import type { Window } from "./profile.ts";
import { type Booking, type Host, namesOf, type Schedule } from "./schedule.ts";

/** What got freer, as windows that were not there before. */
export class Freed {
  readonly #windows = new Map<number, Window<Host>[]>();
  readonly #hosts = new Set<Host>();

  get none(): boolean {
    return this.#hosts.size === 0;
  }

  /** Does something, and remembers what it freed on the nodes of these names. */
  watch(schedule: Schedule, names: Iterable<string>, act: () => void): void {
    const before = snapshot(schedule, names);
    act();
    for (const [name, levels] of before)
      for (const [places, old] of levels)
        for (const window of outside(schedule.windowsOf(name, places), old)) this.#note(places, window);
  }

  /** False only when nothing of it can let this one start earlier. */
  mayServe(booking: Booking, now: number): boolean {
    const { request, span, from, hosts } = booking;
    if (hosts.some((host) => this.#hosts.has(host))) return true;
    const windows = this.#windows.get(request.places);
    return windows?.some((w) => w.from < from && w.until - Math.max(w.from, now) >= span) ?? false;
  }

  #note(places: number, window: Window<Host>): void {
    this.#hosts.add(window.owner);
    const windows = this.#windows.get(places);
    if (windows) windows.push(window);
    else this.#windows.set(places, [window]);
  }
}

type Snapshot = Map<string, Map<number, Window<Host>[]>>;

const snapshot = (schedule: Schedule, names: Iterable<string>): Snapshot =>
  new Map(
    [...names].map((name) => [name, new Map(schedule.levels.map((p) => [p, schedule.windowsOf(name, p)]))]),
  );

/** Those windows that do not lie within an old one; both in order. */
function outside(windows: readonly Window<Host>[], old: readonly Window<Host>[]): Window<Host>[] {
  let i = 0;
  return windows.filter(({ from, until }) => {
    while ((old[i]?.until ?? until) < until) i++;
    return (old[i]?.from ?? Number.POSITIVE_INFINITY) > from;
  });
}

/** Rounds until nobody can gain: those to whom `unsure` applies are looked at in any case. */
export function improve(board: Board, freed: Freed, unsure: ReadonlySet<Entry>): void {
  let before = freed;
  for (let first = true; first || !before.none; first = false) {
    const since = new Freed();
    for (const entry of board.order) {
      const { booking } = entry;
      if (!booking || !canGain(board.schedule, booking)) continue;
      const { now } = board.schedule;
      if ((first && unsure.has(entry)) || before.mayServe(booking, now) || since.mayServe(booking, now))
        moveEarlier(board.schedule, entry, booking, since);
    }
    before = since;
  }
}

const canGain = ({ now }: Schedule, { from, request }: Booking): boolean =>
  from > Math.max(now, request.notBefore ?? now);

function moveEarlier(schedule: Schedule, entry: Entry, booking: Booking, freed: Freed): void {
  if (!couldStartEarlier(schedule, booking)) return;
  freed.watch(schedule, namesOf(booking), () => {
    lift(schedule, entry);
    placeEarliest(schedule, entry);
    if (entry.booking && entry.booking.from < booking.from) return;
    lift(schedule, entry);
    entry.booking = booking;
    schedule.book(booking);
  });
}

/** False only when it cannot. For one node this is exact, and cheaper than to lift it out. */
function couldStartEarlier(schedule: Schedule, booking: Booking): boolean {
  const { request, span, from, hosts } = booking;
  const [own] = hosts;
  if (request.nodes > 1 || !own) return true;
  const elsewhere = schedule.earliest(request, span);
  return (elsewhere && elsewhere.start < from) || schedule.earlierThere(booking, own);
}
