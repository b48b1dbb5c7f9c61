/** How far what runs may be extended without breaking a promise. */
import type { Plan } from "../plan.ts";
import { type Board, byStart, type Entry, keepPlaces, lift, placeEarliest } from "./board.ts";
import type { Booking, Host } from "./schedule.ts";

/** What runs, as the plan counts it: on each of the nodes so many places, given back at `freeAt` at the latest. */
export interface Running {
  readonly nodes: readonly string[];
  readonly places: number;
  readonly freeAt: number;
}

/**
 * The latest instant, at most `limit`, until which it may hold its places so that all who wait still start by when they were
 * told, on other nodes if need be. Its `freeAt` when nothing more is possible.
 */
export function latestFreeAt({ board }: Plan, running: Running, limit: number): number {
  const hosts = running.nodes.flatMap((name) => board.schedule.hosts.get(name) ?? []);
  const starts = hosts.flatMap((host) => [...host.bookings].map((booking) => booking.from));
  const ends = [...starts, limit].filter((at) => at > running.freeAt && at <= limit).sort((a, b) => a - b);
  let [low, high] = [0, ends.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (breaksNothing(board, hosts, running, ends[middle] ?? limit)) low = middle + 1;
    else high = middle;
  }
  return ends[low - 1] ?? running.freeAt;
}

/** Tries it on the schedule, as the next plan would, and takes it back. */
function breaksNothing(board: Board, hosts: readonly Host[], running: Running, until: number): boolean {
  const { schedule } = board;
  const bookings = new Set(hosts.flatMap((host) => [...host.bookings]));
  const tried = [...bookings].flatMap((booking) => board.entries.get(booking.request.id) ?? []);
  for (const entry of tried) lift(schedule, entry);
  for (const host of hosts) schedule.take(host, running.places, running.freeAt, until);
  keepPlaces(schedule, tried);
  for (const entry of tried.toSorted(byStart)) if (!entry.booking) placeEarliest(schedule, entry);
  const kept = tried.every(startsInTime);
  for (const entry of tried) lift(schedule, entry);
  for (const host of hosts) schedule.take(host, -running.places, running.freeAt, until);
  restore(board, bookings);
  return kept;
}

const startsInTime = ({ booking, promised }: Entry): boolean =>
  booking !== undefined && (promised === undefined || booking.start <= promised);

function restore({ schedule, entries }: Board, bookings: Iterable<Booking>): void {
  for (const booking of bookings) {
    const entry = entries.get(booking.request.id);
    if (!entry) throw new Error(`${booking.request.id} is booked and not in the queue`);
    entry.booking = booking;
    entry.cause = undefined;
    schedule.book(booking);
  }
}
