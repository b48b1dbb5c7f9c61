/** Private keys of a pod, apart from what is listed and shown; deleted when the reservation is over. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type SecretRow, secretShape } from "./tables.ts";

export async function insertSecrets(tx: Tx, row: SecretRow): Promise<void> {
  await tx.db.insertInto("secrets").values(row).execute();
}

export async function findSecrets(db: Db, reservationId: string): Promise<SecretRow | undefined> {
  const row = await db
    .selectFrom("secrets")
    .selectAll()
    .where("reservation_id", "=", reservationId)
    .executeTakeFirst();
  return row && checkRow("secrets", secretShape, row);
}

export async function deleteSecrets(tx: Tx, reservationId: string): Promise<void> {
  await tx.db.deleteFrom("secrets").where("reservation_id", "=", reservationId).execute();
}
