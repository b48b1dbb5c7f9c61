/**
 * Gives on what is free: each in turn is lifted out and placed at its earliest fit with all others fixed, in rounds, until
 * nobody can start earlier. Nobody gets later.
 */
import { type Board, type Entry, lift, placeEarliest } from "./board.ts";
import { type Booking, namesOf, type Schedule } from "./schedule.ts";

/**
 * One end can set off hundreds of moves far in the future, and each is a row that somebody has to write. So many are made
 * at once, beside those that start now; the next plan goes on.
 */
export const MOVES = 8;

/** True when there is more to give on. */
export function improve(board: Board): boolean {
  const more = rounds(board, MOVES, false) === MOVES;
  if (more) rounds(board, Number.POSITIVE_INFINITY, true);
  else board.freed.clear();
  return more;
}

/** Rounds until nobody can gain, or until so many moved; with `startNow`, only to starts at once. Returns how many moved. */
function rounds(board: Board, most: number, startNow: boolean): number {
  let moved = 0;
  for (let last = -1; last !== moved && moved < most; ) {
    last = moved;
    for (const entry of board.order) {
      if (moved === most) break;
      if (offer(board, entry, startNow)) moved += 1;
    }
  }
  return moved;
}

/** Whether it moved. */
function offer({ schedule, freed, unsure }: Board, entry: Entry, startNow: boolean): boolean {
  const { booking } = entry;
  if (!booking) return false;
  const limit = startNow ? schedule.now + 1 : booking.from;
  if (limit <= Math.max(schedule.now, booking.request.notBefore ?? 0) || limit > booking.from) return false;
  if (!unsure.has(entry) && !freed.mayServe(booking, limit)) return false;
  const moves = couldStart(schedule, booking, limit);
  if (moves) freed.watch(namesOf(booking), () => move(schedule, entry, booking, limit));
  if (entry.booking !== booking || !startNow) unsure.delete(entry);
  return entry.booking !== booking;
}

/** Whether it could start before `limit`; false only when it cannot. For one node this is cheaper than to lift it out. */
function couldStart(schedule: Schedule, { request, span, from, hosts }: Booking, limit: number): boolean {
  const [own] = hosts;
  if (request.nodes > 1 || !own) return true;
  if (own.profile.freeUpTo(from, request.places, 0) < limit) return true;
  return schedule.earliest(request, span, limit) !== undefined;
}

/** Moves it to its earliest start, if that is before `limit`. */
function move(schedule: Schedule, entry: Entry, booking: Booking, limit: number): void {
  lift(schedule, entry);
  placeEarliest(schedule, entry, limit);
  if (entry.booking) return;
  entry.booking = booking;
  schedule.book(booking);
}
