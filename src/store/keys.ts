/** Users' ssh public keys. */

import { type KeyRow, keyShape } from "./account-tables.ts";
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

const checked = (row: object): KeyRow => checkRow("ssh_keys", keyShape, row);

/** Undefined when the user has this key already. */
export async function insertKey(tx: Tx, row: KeyRow): Promise<KeyRow | undefined> {
  const made = await tx.db
    .insertInto("ssh_keys")
    .values(row)
    .onConflict((oc) => oc.columns(["user_id", "fingerprint"]).doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checked(made);
}

export async function findKey(db: Db, userId: string, fingerprint: string): Promise<KeyRow | undefined> {
  const row = await db
    .selectFrom("ssh_keys")
    .selectAll()
    .where("user_id", "=", userId)
    .where("fingerprint", "=", fingerprint)
    .executeTakeFirst();
  return row && checked(row);
}

/** The key that is gone; undefined when the user has none with this id. */
export async function deleteKey(tx: Tx, userId: string, id: string): Promise<KeyRow | undefined> {
  const row = await tx.db
    .deleteFrom("ssh_keys")
    .where("user_id", "=", userId)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** A user's keys by fingerprint, at most `limit` after the one given. */
export async function listKeys(db: Db, userId: string, limit: number, after = ""): Promise<KeyRow[]> {
  const rows = await db
    .selectFrom("ssh_keys")
    .selectAll()
    .where("user_id", "=", userId)
    .where("fingerprint", ">", after)
    .orderBy("fingerprint")
    .limit(limit)
    .execute();
  return rows.map(checked);
}
