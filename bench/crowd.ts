/** A crowded cluster for bench/plan.ts, by a seed. */
import type { PlanHold, PlanNode, PlanRequest } from "../src/core/plan/model.ts";
import { randomFrom } from "../test/helpers/random.ts";

export interface Crowd {
  readonly nodes: PlanNode[];
  readonly holds: PlanHold[];
  readonly queue: PlanRequest[];
  readonly now: number;
  readonly shares: ReadonlyMap<string, number>;
}

const HOUR = 3_600_000;
const OWNERS = 100;

/**
 * All GPUs are held until some time in the next 24 h. Of the requests 45 % want one GPU, 20 % two, 20 % four, 10 % a whole
 * node and 5 % a gang of 2 to 8 nodes, for 10 minutes to 48 h (log-uniform); 5 % start at a given time in the next three days.
 * They belong to a hundred users, who used more or less before.
 */
export function crowd(wanted: { nodes: number; queued: number; seed: number }): Crowd {
  const random = randomFrom(wanted.seed);
  const now = Date.parse("2026-01-05T08:00:00.000Z");
  const names = Array.from({ length: wanted.nodes }, (_, i) => `n${i}`);
  return {
    now,
    nodes: names.map((node) => ({ node, places: 8, open: true })),
    holds: names.flatMap((node) => fullNode(node, now, random)),
    queue: Array.from({ length: wanted.queued }, (_, seq) => requestOf(seq, now, random)),
    shares: new Map(Array.from({ length: OWNERS }, (_, i) => [`u${i}`, random()])),
  };
}

function fullNode(node: string, now: number, random: () => number): PlanHold[] {
  const holds: PlanHold[] = [];
  for (let left = 8; left > 0; ) {
    const places = Math.min(left, [1, 1, 2, 4, 8][Math.floor(random() * 5)] ?? 1);
    holds.push({ node, places, freeAt: now + Math.ceil(random() * 24 * HOUR) });
    left -= places;
  }
  return holds;
}

function requestOf(seq: number, now: number, random: () => number): PlanRequest {
  const kind = random();
  const gang = kind >= 0.95;
  return {
    id: `r${seq}`,
    seq,
    places: kind < 0.45 ? 1 : kind < 0.65 ? 2 : kind < 0.85 ? 4 : 8,
    nodes: gang ? 2 + Math.floor(random() * 7) : 1,
    durationS: Math.round(600 * 288 ** random()),
    notBefore: random() < 0.05 ? now + Math.round(random() * 72 * HOUR) : undefined,
    place: undefined,
    promised: undefined,
    priority: Math.floor(random() * 3),
    owner: `u${seq % OWNERS}`,
  };
}
