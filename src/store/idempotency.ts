/** First answers to requests that carried an Idempotency-Key. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type IdempotencyRow, idempotencyShape } from "./tables.ts";

export async function findAnswer(tx: Tx, userId: string, key: string): Promise<IdempotencyRow | undefined> {
  const row = await tx.db
    .selectFrom("idempotency_keys")
    .selectAll()
    .where("user_id", "=", userId)
    .where("key", "=", key)
    .executeTakeFirst();
  return row && checkRow("idempotency_keys", idempotencyShape, row);
}

/** False when the key has an answer already; nothing is written then. */
export async function insertAnswer(tx: Tx, row: IdempotencyRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto("idempotency_keys")
    .values(row)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** Forgets answers from before `instant`. */
export async function forgetAnswers(tx: Tx, instant: string): Promise<void> {
  await tx.db.deleteFrom("idempotency_keys").where("created_at", "<", instant).execute();
}
