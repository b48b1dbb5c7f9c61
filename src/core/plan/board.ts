/** The queue on the schedule: each request with its place, and the two ways to get one. */
import type { Freed } from "./freed.ts";
import { LATE_MS, type Planned, type PlanRequest, type Shares, spanOf, suits } from "./model.ts";
import { type Booking, type Host, namesOf, type Schedule } from "./schedule.ts";

export interface Entry {
  readonly request: PlanRequest;
  /** Where it was put last, while it has no booking. */
  place: { readonly start: number; readonly nodes: readonly string[] } | undefined;
  promised: number | undefined;
  booking: Booking | undefined;
  /** Why it lost its place in this plan, in words. */
  cause: string | undefined;
  /** What was said of it last, and of which booking. */
  planned: Planned | undefined;
  told: Booking | undefined;
}

export interface Board {
  readonly schedule: Schedule;
  readonly entries: Map<string, Entry>;
  /** The same ones in the order in which freed capacity is offered. */
  order: Entry[];
  /** What was freed and not given on yet. */
  readonly freed: Freed;
  /** Who is looked at in any case, whatever was freed. */
  readonly unsure: Set<Entry>;
}

export const newEntry = (request: PlanRequest): Entry => ({
  request,
  place: request.place,
  promised: request.promised,
  booking: undefined,
  cause: undefined,
  planned: undefined,
  told: undefined,
});

/** The one who started first comes first, then the one who arrived first. */
export const byStart = (a: Entry, b: Entry): number =>
  startOf(a) - startOf(b) || a.request.seq - b.request.seq;

export const byArrival = (a: Entry, b: Entry): number => a.request.seq - b.request.seq;

/** By class, then the owner's recent use, then arrival. */
export const byTurn =
  (shares: Shares) =>
  ({ request: a }: Entry, { request: b }: Entry): number =>
    b.priority - a.priority || (shares.get(a.owner) ?? 0) - (shares.get(b.owner) ?? 0) || a.seq - b.seq;

const startOf = (entry: Entry): number => entry.place?.start ?? entry.promised ?? Number.POSITIVE_INFINITY;

/**
 * Books the places that are still possible, in order of their starts; the others get a `cause`. When a start was missed,
 * those behind it on its nodes are placed anew together with it, so that a server that was away for an hour moves its
 * queue by an hour instead of sending the first to the end of it.
 */
export function keepPlaces(schedule: Schedule, entries: readonly Entry[]): void {
  const missed = new Set<string>();
  for (const entry of entries.toSorted(byStart)) {
    if (!entry.place) continue;
    const { start, nodes } = entry.place;
    if (start + LATE_MS < schedule.now) for (const node of nodes) missed.add(node);
    entry.cause = nodes.some((node) => missed.has(node))
      ? "a start that was due was missed, because somebody left too late or the server was not running"
      : keepPlace(schedule, entry, start, nodes);
  }
}

/** Why it is not possible, or undefined when it is booked. */
function keepPlace(
  schedule: Schedule,
  entry: Entry,
  start: number,
  nodes: readonly string[],
): string | undefined {
  const { request } = entry;
  const hosts: Host[] = [];
  let from = Math.max(start, schedule.now);
  const span = spanOf(request.durationS, request.readyMs);
  for (const node of nodes) {
    const host = schedule.hosts.get(node);
    if (!host) return `node ${node} is gone`;
    if (!host.node.open) return `node ${node} takes nothing new`;
    if (!suits(host.node, request)) return `node ${node} has other labels now`;
    from = host.profile.freeUpTo(start + span, request.places, from);
    if (from > start + LATE_MS) return `on node ${node} less is free than was planned`;
    hosts.push(host);
  }
  entry.booking = { request, span, start, from, until: start + span, hosts };
  schedule.book(entry.booking);
  return undefined;
}

/** Books the earliest place that moves nobody, if there is one before the limit. */
export function placeEarliest(schedule: Schedule, entry: Entry, before?: number): void {
  const { request } = entry;
  const span = spanOf(request.durationS, request.readyMs);
  const fit = schedule.earliest(request, span, before);
  if (!fit) return;
  const { start, hosts } = fit;
  entry.booking = { request, span, start, from: start, until: start + span, hosts };
  schedule.book(entry.booking);
}

/** Takes its booking away; its place is remembered. */
export function lift(schedule: Schedule, entry: Entry): void {
  const { booking } = entry;
  if (!booking) return;
  schedule.unbook(booking);
  entry.place = { start: booking.start, nodes: namesOf(booking) };
  entry.booking = undefined;
}
