/**
 * The plan as the database has it. Whatever a type's plan counts on (a place given back, a newcomer, an extension, a node) marks
 * the plan as out of date in its own transaction; whoever plans takes the marks, makes the plan anew, stores where everybody was
 * put, and gives out what starts now: all in one transaction under the schedule lock, so that there is one plan in all servers.
 */
import type { Taken } from "../store/allocations.ts";
import { listCapacity } from "../store/capacity.ts";
import { listCordons } from "../store/cordons.ts";
import type { Tx } from "../store/db.ts";
import {
  listWaiting,
  markMore,
  type PlaceRow,
  savePlaces,
  takeChanges,
  type WaitingRow,
} from "../store/plans.ts";
import { findReservation } from "../store/reservations.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { changeReservation, SYSTEM } from "./change.ts";
import type { Core } from "./core.ts";
import { takenPlaces } from "./devices.ts";
import { freeAt } from "./holds.ts";
import { newId } from "./ids.ts";
import { wanted } from "./lifecycle.ts";
import { place } from "./placing.ts";
import type { PlanHold, Planned, PlanRequest } from "./plan/model.ts";
import { reasonOf } from "./plan/reason.ts";
import { type Plan, plan } from "./plan.ts";
import { nodesOf, tell, unchanged } from "./promises.ts";
import { recentShares } from "./share.ts";

const RANKS = { low: 0, normal: 1, high: 2 } as const;

/** A plan of a type, and the rows that wait for it. */
export interface MadePlan {
  readonly plan: Plan;
  readonly waiting: readonly WaitingRow[];
}

/** The plan of a type as it comes out now; nothing is stored. */
export async function makePlan(db: Db, gpuType: string, now: Date): Promise<MadePlan> {
  const nodes = await listCapacity(db, gpuType);
  const cordoned = new Set((await listCordons(db)).map((cordon) => cordon.node));
  const taken = await takenPlaces(db, nodes);
  const waiting = await listWaiting(db, gpuType);
  const owners = [...new Set(waiting.map((w) => w.owner_id))];
  // One alone comes before nobody.
  const shares = owners.length < 2 ? new Map() : await recentShares(db, owners, now);
  const made = plan(
    nodes.map(({ node, places, healthy }) => ({
      node,
      places,
      open: healthy === 1 && !cordoned.has(node),
    })),
    holdsOf(taken, now.getTime()),
    waiting.map((row) => requestOf(row, shares.get(row.owner_id) ?? 0)),
    now.getTime(),
  );
  return { plan: made, waiting };
}

function requestOf(row: WaitingRow, share: number): PlanRequest {
  const start = row.planned_start_at;
  return {
    id: row.id,
    seq: row.seq,
    places: row.places,
    nodes: row.node_count,
    durationS: row.duration_s,
    notBefore: instantOf(row.not_before),
    place: start === null ? undefined : { start: Date.parse(start), nodes: nodesOf(row) },
    promised: instantOf(row.promised_start_at),
    priority: RANKS[row.priority],
    share,
  };
}

const instantOf = (at: string | null): number | undefined => (at === null ? undefined : Date.parse(at));

/** One hold for each reservation and node. */
function holdsOf(taken: readonly Taken[], now: number): PlanHold[] {
  const groups = Map.groupBy(taken, (t) => `${t.reservation_id} ${t.node}`);
  return [...groups.values()].flatMap(([first, ...more]) =>
    first ? [{ node: first.node, places: 1 + more.length, freeAt: freeAt(first, now) }] : [],
  );
}

/** Makes the plan of a type anew, if something of it has changed; those that were placed. */
export async function planChanges(tx: Tx, core: Core, gpuType: string): Promise<ReservationRow[]> {
  return (await takeChanges(tx, gpuType)) === 0 ? [] : planAnew(tx, core, gpuType);
}

/** Makes the plan of a type anew in any case, stores it, and places what starts now; those that were placed. */
export async function planAnew(tx: Tx, core: Core, gpuType: string): Promise<ReservationRow[]> {
  await takeChanges(tx, gpuType);
  return carryOut(tx, core, gpuType, await makePlan(tx.db, gpuType, tx.now));
}

/** Stores where everybody was put, and places those whose start has come; who is cancelled meanwhile is passed over. */
export async function carryOut(
  tx: Tx,
  core: Core,
  gpuType: string,
  { plan: made, waiting }: MadePlan,
): Promise<ReservationRow[]> {
  const placed: ReservationRow[] = [];
  const moved: PlaceRow[] = [];
  for (const row of waiting) {
    const its = plannedOf(made, row.id);
    if (its.startsNow) {
      const now = await findReservation(tx.db, row.id);
      if (now?.state === "queued") placed.push(await place(tx, core, now, its.nodes));
      continue;
    }
    const { place: to, loss } = tell(row, its, reasonOf(made, row.id, wanted(row)));
    if (loss !== undefined) await tellLoss(tx, to, loss);
    else if (!unchanged(row, to)) moved.push(to);
  }
  await savePlaces(tx, moved);
  if (made.more) await markMore(tx, newId(), gpuType);
  return placed;
}

/** What the plan says of one that waits. */
export function plannedOf({ planned }: Plan, id: string): Planned {
  const its = planned.get(id);
  if (!its) throw new Error(`the plan leaves out ${id}`);
  return its;
}

/** Capacity was lost: the new time stands in the history, with the reason. */
async function tellLoss(tx: Tx, { id, ...place }: PlaceRow, loss: string): Promise<void> {
  const row = await findReservation(tx.db, id);
  if (row?.state === "queued")
    await changeReservation(tx, row, { actor: SYSTEM }, { type: "delayed", detail: loss }, place);
}
