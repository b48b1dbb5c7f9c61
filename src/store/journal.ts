/** What is written beside a change of a reservation, in the same transaction: its history. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type EventRow, eventShape } from "./tables.ts";

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
