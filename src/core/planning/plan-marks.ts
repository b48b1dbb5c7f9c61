/** What happens to a reservation, as the plans have to know it: each in the transaction of the change itself. */
import { allocationsOf, release } from "../../store/allocations.ts";
import type { Tx } from "../../store/db.ts";
import { markPlan, markSharing, type PlanChange } from "../../store/plan-changes.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { newId } from "../ids.ts";

type Marked = Pick<ReservationRow, "id" | "gpu_type">;

const about = (nodes: Iterable<string>): PlanChange[] =>
  [...new Set(nodes)].map((name) => ({ about: "node", name }));

/** The end of what it holds has moved. */
export async function markHeld(tx: Tx, row: Marked): Promise<void> {
  const held = await allocationsOf(tx.db, [row.id]);
  if (held.length > 0) await markPlan(tx, newId(), row.gpu_type, about(held.map(({ node }) => node)));
}

/** It got places on these nodes, which its own type's plan knows. */
export const markGiven = (tx: Tx, gpuType: string, nodes: Iterable<string>): Promise<void> =>
  markSharing(tx, newId(), gpuType, about(nodes));

/** It gives back what it holds, and begins or ceases to wait. */
export async function giveBack(tx: Tx, row: Marked): Promise<void> {
  const nodes = await release(tx, row.id);
  await markPlan(tx, newId(), row.gpu_type, [...about(nodes), { about: "reservation", name: row.id }]);
}
