/** Who a reservation is shared with. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type CollaboratorRow, collaboratorShape, type Db } from "./tables.ts";

const checked = (row: object): CollaboratorRow => checkRow("collaborators", collaboratorShape, row);

/** Adds one, or replaces the keys of one who is there. */
export async function saveCollaborator(tx: Tx, row: CollaboratorRow): Promise<void> {
  const { public_keys } = row;
  await tx.db
    .insertInto("collaborators")
    .values(row)
    .onConflict((oc) => oc.columns(["reservation_id", "kind", "name"]).doUpdateSet({ public_keys }))
    .execute();
}

export async function deleteCollaborator(
  tx: Tx,
  { reservation_id, kind, name }: Pick<CollaboratorRow, "reservation_id" | "kind" | "name">,
): Promise<void> {
  await tx.db
    .deleteFrom("collaborators")
    .where("reservation_id", "=", reservation_id)
    .where("kind", "=", kind)
    .where("name", "=", name)
    .execute();
}

/** Those of these reservations, by name. */
export async function collaboratorsOf(db: Db, ids: readonly string[]): Promise<CollaboratorRow[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("collaborators")
    .selectAll()
    .where("reservation_id", "in", ids)
    .orderBy("name")
    .orderBy("kind")
    .execute();
  return rows.map(checked);
}

/** Whether a reservation is shared with this user. */
export async function isSharedWith(db: Db, reservationId: string, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom("collaborators")
    .select("name")
    .where("user_id", "=", userId)
    .where("reservation_id", "=", reservationId)
    .executeTakeFirst();
  return row !== undefined;
}
