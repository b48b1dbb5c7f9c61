/**
 * Who starts when: a pure function of the queue, what runs, and what is free. First come, first served, strictly by GPU
 * type: nobody overtakes. A *place* is a GPU, or a slot of a type without GPUs.
 */
import { PREPARING_MS } from "./lifecycle.ts";

export interface PlanNode {
  readonly node: string;
  readonly places: number;
  readonly healthy: boolean;
}

export interface PlanHold {
  readonly node: string;
  readonly index: number;
  /** Milliseconds since 1970 at which it is free at the latest; undefined when nobody can tell. */
  readonly freeAt: number | undefined;
}

export interface PlanRequest {
  readonly id: string;
  readonly places: number;
  readonly durationS: number;
}

export interface Plan {
  readonly placements: readonly { readonly id: string; readonly node: string; readonly indices: number[] }[];
  /** By request, when it starts at the latest; null when that is unknown. */
  readonly starts: ReadonlyMap<string, Date | null>;
}

/** What it takes to be rid of a pod after its end. */
const CLEARING_MS = 60_000;

/** When what starts (or is being prepared) by `readyBy` gives its places back at the latest. */
export const freeAfter = (readyBy: number, durationS: number): number =>
  readyBy + durationS * 1000 + CLEARING_MS;

interface Place {
  readonly index: number;
  free: number;
}
interface Bench {
  readonly node: string;
  readonly places: Place[];
}

/** The plan of one GPU type; `queue` in order of arrival. */
export function plan(
  nodes: readonly PlanNode[],
  holds: readonly PlanHold[],
  queue: readonly PlanRequest[],
  now: number,
): Plan {
  const benches = nodes.filter((node) => node.healthy).map((node) => bench(node, holds, now));
  const placements: { id: string; node: string; indices: number[] }[] = [];
  const starts = new Map<string, Date | null>();
  let earliest = now;
  for (const request of queue) {
    const seat = findSeat(benches, request.places, earliest);
    if (!seat) {
      // Nobody behind it may start before it, so theirs is unknown too.
      earliest = Number.POSITIVE_INFINITY;
      starts.set(request.id, null);
      continue;
    }
    earliest = seat.at;
    if (seat.at <= now)
      placements.push({ id: request.id, node: seat.node, indices: seat.places.map((p) => p.index) });
    starts.set(request.id, new Date(seat.at));
    for (const place of seat.places) place.free = freeAfter(seat.at + PREPARING_MS, request.durationS);
  }
  return { placements, starts };
}

function bench(node: PlanNode, holds: readonly PlanHold[], now: number): Bench {
  const held = new Map(
    holds.filter((h) => h.node === node.node).map((h) => [h.index, h.freeAt ?? Number.POSITIVE_INFINITY]),
  );
  const places = Array.from({ length: node.places }, (_, index) => ({
    index,
    // Whoever should be gone but is not will be gone in a moment; held is held.
    free: Math.max(held.get(index) ?? now, held.has(index) ? now + 1 : now),
  }));
  return { node: node.node, places };
}

/** The earliest start at which one node has the places, and there the node that is fullest, so that whole nodes stay free. */
function findSeat(benches: readonly Bench[], need: number, earliest: number) {
  let best: { at: number; node: string; places: Place[]; spare: number } | undefined;
  for (const { node, places } of benches) {
    const first = places.toSorted((a, b) => a.free - b.free || a.index - b.index);
    const last = first[need - 1];
    if (!last || !Number.isFinite(last.free)) continue;
    const at = Math.max(earliest, last.free);
    if (!Number.isFinite(at)) continue;
    const spare = places.filter((p) => p.free <= at).length;
    if (!best || at < best.at || (at === best.at && spare < best.spare))
      best = { at, node, places: first.slice(0, need), spare };
  }
  return best;
}
