/** Which GPU is whose: the primary key (node, type, index) is what gives a GPU to one reservation only (S-01). */
import { checkRow, type Row } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type AllocationRow, allocationShape, type Db, reservationShape } from "./tables.ts";

const checked = (row: object): AllocationRow => checkRow("allocations", allocationShape, row);

/** False when one of them is taken; the caller then undoes the transaction. */
export async function allocate(tx: Tx, rows: readonly AllocationRow[]): Promise<boolean> {
  const made = await tx.db
    .insertInto("allocations")
    .values(rows)
    .onConflict((oc) => oc.doNothing())
    .returning("gpu_index")
    .execute();
  return made.length === rows.length;
}

/** Gives back all that a reservation holds; doing it again does nothing. */
export async function release(tx: Tx, reservationId: string): Promise<void> {
  await tx.db.deleteFrom("allocations").where("reservation_id", "=", reservationId).execute();
}

export async function allocationsOf(db: Db, ids: readonly string[]): Promise<AllocationRow[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("allocations")
    .selectAll()
    .where("reservation_id", "in", ids)
    .orderBy("gpu_index")
    .execute();
  return rows.map(checked);
}

const { state, ends_at, preparing_deadline, duration_s, last_error } = reservationShape;
const takenShape = { ...allocationShape, state, ends_at, preparing_deadline, duration_s, last_error };
/** What is taken, and of the reservation that holds it what the plan needs. */
export type Taken = Row<typeof takenShape>;

/** All that is taken, or of one type. */
export async function listTaken(db: Db, gpuType?: string): Promise<Taken[]> {
  let query = db
    .selectFrom("allocations as a")
    .innerJoin("reservations as r", "r.id", "a.reservation_id")
    .select(["a.node", "a.gpu_type", "a.gpu_index", "a.reservation_id"])
    .select(["r.state", "r.ends_at", "r.preparing_deadline", "r.duration_s", "r.last_error"]);
  if (gpuType !== undefined) query = query.where("a.gpu_type", "=", gpuType);
  return (await query.execute()).map((row) => checkRow("allocations", takenShape, row));
}
