/** What is written beside a change, in the same transaction: a reservation's history and the audit trail. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type AuditRow, type Db, type EventRow, eventShape } from "./tables.ts";

/** An entry of the history; who watches the reservation is told when it is committed. */
export async function insertEvent(tx: Tx, row: EventRow): Promise<void> {
  tx.touched.add(row.reservation_id);
  await tx.db.insertInto("events").values(row).execute();
}

/** Oldest first, those after `version`. */
export async function listEvents(db: Db, id: string, version: number, limit: number): Promise<EventRow[]> {
  const rows = await db
    .selectFrom("events")
    .selectAll()
    .where("reservation_id", "=", id)
    .where("version", ">", version)
    .orderBy("version")
    .limit(limit)
    .execute();
  return rows.map((row) => checkRow("events", eventShape, row));
}

export async function insertAudit(tx: Tx, row: AuditRow): Promise<void> {
  await tx.db.insertInto("audit").values(row).execute();
}

/** An entry that is known already stays as it is: who does not know whether it was written may write it again. */
export async function insertAuditOnce(tx: Tx, row: AuditRow): Promise<void> {
  await tx.db
    .insertInto("audit")
    .values(row)
    .onConflict((oc) => oc.column("id").doNothing())
    .execute();
}
