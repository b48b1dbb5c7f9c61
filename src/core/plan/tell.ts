/** What the plan says of a request. */
import type { Entry } from "./board.ts";
import { LATE_MS, type Planned } from "./model.ts";
import { namesOf } from "./schedule.ts";

/** The same object as last time when nothing of it changed. What is said is promised from here on. */
export function tell(entry: Entry, now: number): Planned {
  const { booking, promised, planned: last } = entry;
  const start = booking?.start ?? null;
  // What is there before it may leave late.
  const begin = booking ? Math.max(booking.from, now) : Number.POSITIVE_INFINITY;
  const kept = promised === undefined || begin <= promised;
  const latest =
    start === null ? null : kept ? Math.min(start + LATE_MS, promised ?? Infinity) : start + LATE_MS;
  const startsNow = booking !== undefined && booking.from <= now;
  const same = last && kept && !last.lost && entry.told === booking && last.latest === latest;
  if (!same || last.startsNow !== startsNow) {
    const nodes = booking ? namesOf(booking) : [];
    const planned = { id: entry.request.id, start, nodes, startsNow, latest };
    entry.planned = kept
      ? planned
      : { ...planned, lost: entry.cause ?? "what had its place before it leaves too late" };
    entry.told = booking;
  }
  entry.promised = latest ?? undefined;
  entry.cause = undefined;
  if (!booking) entry.place = undefined;
  return entry.planned as Planned;
}
