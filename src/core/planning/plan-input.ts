/** What a plan is made of, as the database has it: nodes, what is held on them, who waits, and what their owners used lately. */
import { listCapacity } from "../../store/capacity.ts";
import type { CapacityRow } from "../../store/gpu-tables.ts";
import type { WaitingRow } from "../../store/plans.ts";
import type { Db } from "../../store/tables.ts";
import { openNodes, takenPlaces } from "../gpus/devices.ts";
import { labelsOf } from "../gpus/labels.ts";
import { preparingMs } from "../lifecycle.ts";
import type { PlanHold, PlanRequest, Shares } from "../plan/model.ts";
import type { NodeChange } from "../plan.ts";
import { freeAt } from "./holds.ts";
import { nodesOf } from "./promises.ts";
import { recentShares } from "./share.ts";

const RANKS = { low: 0, normal: 1, high: 2 } as const;

/** The nodes of a type, with all that is held on them; of some names, where they are given: one that is gone has no places. */
export async function readNodes(
  db: Db,
  gpuType: string,
  now: Date,
  names?: ReadonlySet<string>,
): Promise<NodeChange[]> {
  if (names?.size === 0) return [];
  const offers = await listCapacity(db, gpuType, names && [...names]);
  const known = new Set(offers.map((offer) => offer.node));
  const gone = [...(names ?? [])].filter((name) => !known.has(name));
  return [
    ...(await withHolds(db, offers, now)),
    ...gone.map((node) => ({ node: { node, places: 0, open: false }, holds: [] })),
  ];
}

async function withHolds(db: Db, offers: readonly CapacityRow[], now: Date): Promise<NodeChange[]> {
  const open = await openNodes(db, offers);
  const holds = await holdsOn(db, offers, now.getTime());
  return offers.map(({ node, places, host, labels }) => ({
    node: {
      node,
      places,
      open: open.has(node),
      host: host ?? undefined,
      labels: labels === null ? undefined : labelsOf(labels),
    },
    holds: holds.get(node) ?? [],
  }));
}

/** By node, one hold for each reservation. */
async function holdsOn(
  db: Db,
  offers: readonly CapacityRow[],
  now: number,
): Promise<Map<string, PlanHold[]>> {
  const groups = Map.groupBy(await takenPlaces(db, offers), (t) => `${t.reservation_id} ${t.node}`);
  const holds = [...groups.values()].flatMap(([first, ...more]) =>
    first ? [{ node: first.node, places: 1 + more.length, freeAt: freeAt(first, now) }] : [],
  );
  return Map.groupBy(holds, (hold) => hold.node);
}

export const requestOf = (row: WaitingRow): PlanRequest => ({
  id: row.id,
  seq: row.seq,
  places: row.places,
  nodes: row.node_count,
  durationS: row.duration_s,
  readyMs: preparingMs(row),
  notBefore: instantOf(row.not_before),
  place:
    row.planned_start_at === null
      ? undefined
      : { start: Date.parse(row.planned_start_at), nodes: nodesOf(row) },
  promised: instantOf(row.promised_start_at),
  priority: RANKS[row.priority],
  owner: row.owner_id,
  host: row.disk_host ?? undefined,
  labels: row.node_labels === null ? undefined : labelsOf(row.node_labels),
});

const instantOf = (at: string | null): number | undefined => (at === null ? undefined : Date.parse(at));

/** What the owners of these used lately; one alone comes before nobody. */
export async function sharesOf(db: Db, waiting: Iterable<WaitingRow>, now: Date): Promise<Shares> {
  const owners = new Set<string>();
  for (const row of waiting) owners.add(row.owner_id);
  return owners.size < 2 ? new Map() : recentShares(db, [...owners], now);
}
