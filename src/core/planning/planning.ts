/**
 * The plan as the database has it. Whatever a type's plan counts on (a place given back, a newcomer, an extension, a node) marks
 * the plan as out of date in its own transaction; whoever plans takes the marks, makes the plan anew, stores where everybody was
 * put, and gives out what starts now: all in one transaction under the schedule lock, so that there is one plan in all servers.
 */
import type { Tx } from "../../store/db.ts";
import { markMore, type PlanChange, stampOf, stampPlan, takeChanges } from "../../store/plan-changes.ts";
import { listWaiting, type PlaceRow, savePlaces, type WaitingRow } from "../../store/plans.ts";
import { findReservation } from "../../store/reservations.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { changeReservation, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { wanted } from "../lifecycle.ts";
import type { Planned } from "../plan/model.ts";
import { reasonOf } from "../plan/reason.ts";
import { type Plan, plan } from "../plan.ts";
import { catchUp, type MadePlan } from "./kept-plan.ts";
import { place } from "./placing.ts";
import { readNodes, requestOf, sharesOf } from "./plan-input.ts";
import { markGiven } from "./plan-marks.ts";
import { tell, unchanged } from "./promises.ts";

/** The plan of a type as it comes out now, made of all that there is; nothing is stored. */
export async function makePlan(db: Db, gpuType: string, now: Date): Promise<MadePlan> {
  const nodes = await readNodes(db, gpuType, now);
  const waiting = await listWaiting(db, gpuType);
  const made = plan(
    nodes.map(({ node }) => node),
    nodes.flatMap(({ holds }) => holds),
    waiting.map(requestOf),
    now.getTime(),
    await sharesOf(db, waiting, now),
  );
  return { plan: made, waiting: new Map(waiting.map((row) => [row.id, row])) };
}

/** Makes the plan of a type anew, if something of it has changed; those that were placed. */
export async function planChanges(tx: Tx, core: Core, gpuType: string): Promise<ReservationRow[]> {
  const changes = await takeChanges(tx, gpuType);
  return changes.length === 0 ? [] : carryOut(tx, core, gpuType, await planWith(tx, core, gpuType, changes));
}

/** Makes the plan of a type anew in any case, stores it, and places what starts now; those that were placed. */
export async function planAnew(tx: Tx, core: Core, gpuType: string): Promise<ReservationRow[]> {
  const changes = await takeChanges(tx, gpuType);
  return carryOut(tx, core, gpuType, await planWith(tx, core, gpuType, changes));
}

/** The plan with these changes, which is to be carried out in the same transaction: of what was kept, if that is still good. */
export async function planWith(
  tx: Tx,
  core: Core,
  gpuType: string,
  changes: readonly PlanChange[],
): Promise<MadePlan> {
  const kept = core.plans.get(gpuType);
  // It is used up, and kept again once it is carried out.
  core.plans.delete(gpuType);
  const good =
    kept?.stamp === (await stampOf(tx.db, gpuType)) && !changes.some(({ about }) => about === "all");
  return kept && good ? catchUp(tx.db, gpuType, tx.now, kept, changes) : makePlan(tx.db, gpuType, tx.now);
}

/** Stores where everybody was put, and places those whose start has come; who is cancelled meanwhile is passed over. */
export async function carryOut(
  tx: Tx,
  core: Core,
  gpuType: string,
  made: MadePlan,
): Promise<ReservationRow[]> {
  const { plan, waiting } = made;
  const placed: ReservationRow[] = [];
  const given = new Set<string>();
  for (const row of rowsOf(made, plan.moved)) {
    const { startsNow, nodes, lost } = plannedOf(plan, row.id);
    const now = startsNow ? await findReservation(tx.db, row.id) : undefined;
    if (now?.state !== "queued") continue;
    placed.push(await place(tx, core, now, nodes, lost));
    waiting.delete(row.id);
    for (const node of nodes) given.add(node);
  }
  await storePlaces(tx, made);
  if (given.size > 0) await markGiven(tx, gpuType, given);
  if (plan.more) await markMore(tx, newId(), gpuType);
  const stamp = newId();
  await stampPlan(tx, gpuType, stamp);
  core.plans.set(gpuType, { plan, waiting, stamp, placed: placed.map(({ id }) => id), given });
  return placed;
}

/** Where they were put and why they wait there, as far as it is something else than before. */
async function storePlaces(tx: Tx, made: MadePlan): Promise<void> {
  const { plan, waiting } = made;
  const changed: PlaceRow[] = [];
  for (const row of rowsOf(made, plan.moved)) {
    const its = plannedOf(plan, row.id);
    if (its.startsNow) continue;
    const { place: to, loss } = tell(row, its, reasonOf(plan, row.id, wanted(row)));
    if (loss !== undefined) await tellLoss(tx, to, loss);
    else if (!unchanged(row, to)) changed.push(to);
    waiting.set(row.id, { ...row, ...to });
  }
  for (const row of rowsOf(made, plan.shaken)) {
    const reason = reasonOf(plan, row.id, wanted(row));
    if (reason === row.reason) continue;
    changed.push({ ...row, reason });
    waiting.set(row.id, { ...row, reason });
  }
  await savePlaces(tx, changed);
}

/** In order of arrival, so that the same plan is always carried out the same way. */
const rowsOf = ({ waiting }: MadePlan, ids: readonly string[]): WaitingRow[] =>
  ids.flatMap((id) => waiting.get(id) ?? []).sort((a, b) => a.seq - b.seq);

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
