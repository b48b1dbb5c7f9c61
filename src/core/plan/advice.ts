/** What somebody would get who asked for something else: when a newcomer could start, and how one who waits could start sooner. */
import type { Plan } from "../plan.ts";
import { lift } from "./board.ts";
import { type PlanRequest, spanOf, type Where } from "./model.ts";

export type Wish = Where & Pick<PlanRequest, "places" | "nodes" | "durationS" | "readyMs" | "notBefore">;

/** When and where a newcomer with this wish would be put; undefined when nobody can tell. */
export function earliestFor({ board }: Plan, wish: Wish): { start: number; nodes: string[] } | undefined {
  const fit = board.schedule.earliest(wish, spanOf(wish.durationS, wish.readyMs));
  return fit && { start: fit.start, nodes: fit.hosts.map((host) => host.name) };
}

/** Another wish of the same kind, and when it would start. `gpuType` is there when it is another one. */
export interface Way extends Wish {
  readonly gpuType?: string;
  readonly start: number;
}

/** What the caller can offer of other types: the same wish in their terms. */
export interface OtherType {
  readonly gpuType: string;
  readonly plan: Plan;
  readonly places: number;
  readonly nodes: number;
}

/** Less than this is not sooner. */
const SOONER_MS = 60_000;
/** Nothing shorter is proposed. */
const SHORTEST_S = 600;

/**
 * How a request that waits could start sooner if it were another one: with less time, with fewer nodes or places, or on
 * another type; of each the mildest change first, and a harsher one only if it starts sooner still.
 */
export function advice(plan: Plan, id: string, others: readonly OtherType[] = []): Way[] {
  const { board } = plan;
  const entry = board.entries.get(id);
  const booking = entry?.booking;
  const start = booking?.from ?? Number.POSITIVE_INFINITY;
  if (!entry || start <= Math.max(board.schedule.now, entry.request.notBefore ?? 0)) return [];
  const { places, nodes, durationS, readyMs, notBefore, host, labels } = entry.request;
  const ready = readyMs === undefined ? {} : { readyMs };
  const wish: Wish = { places, nodes, durationS, ...ready, notBefore, host, ...(labels && { labels }) };
  lift(board.schedule, entry);
  const ways = [
    ...sooner(plan, shorter(plan, wish), start),
    ...sooner(plan, smaller(wish), start),
    ...others.flatMap((other) => {
      const its = { ...wish, places: other.places, nodes: other.nodes };
      return sooner(other.plan, [its], start).map((way) => ({ ...way, gpuType: other.gpuType }));
    }),
  ];
  if (booking) board.schedule.book(booking);
  entry.booking = booking;
  return ways;
}

/** Those that start sooner than `start`, and each sooner than the one before it. */
function sooner(plan: Plan, wishes: readonly Wish[], start: number): Way[] {
  const ways: Way[] = [];
  let best = start;
  for (const wish of wishes) {
    const fit = earliestFor(plan, wish);
    if (!fit || fit.start > best - SOONER_MS) continue;
    best = fit.start;
    ways.push({ ...wish, start: best });
  }
  return ways;
}

/** Half the time, a quarter, and the longest that could start now; the longest first. */
function shorter({ board }: Plan, wish: Wish): Wish[] {
  const now = wish.nodes === 1 ? [board.schedule.longestNow(wish)] : [];
  const open = now.map((ms) => Math.floor((ms - spanOf(0, wish.readyMs)) / 60_000) * 60);
  return [...open, ...[2, 4].map((part) => Math.floor(wish.durationS / part / 60) * 60)]
    .filter((durationS) => durationS >= SHORTEST_S && durationS < wish.durationS)
    .sort((a, b) => b - a)
    .map((durationS) => ({ ...wish, durationS }));
}

/** Half, a quarter, and so on: of the nodes down to one, then of its places. */
function smaller(wish: Wish): Wish[] {
  const wishes: Wish[] = [];
  let { nodes, places } = wish;
  while (nodes * places > 1) {
    if (nodes > 1) nodes = Math.floor(nodes / 2);
    else places = Math.floor(places / 2);
    wishes.push({ ...wish, nodes, places });
  }
  return wishes;
}
