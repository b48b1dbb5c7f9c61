/** Facts about this database itself. */
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

/** What is stored under `key`; `value` if nothing was, which is then stored. */
export async function metaOr(tx: Tx, key: string, value: string): Promise<string> {
  await tx.db
    .insertInto("meta")
    .values({ key, value })
    .onConflict((oc) => oc.column("key").doNothing())
    .execute();
  const row = await tx.db.selectFrom("meta").select("value").where("key", "=", key).executeTakeFirstOrThrow();
  return row.value;
}

/** Undefined when nothing is stored under `key`. */
export async function findMeta(db: Db, key: string): Promise<string | undefined> {
  const row = await db.selectFrom("meta").select("value").where("key", "=", key).executeTakeFirst();
  return row?.value;
}

/** Stores `value` under `key`, in place of what was there. */
export async function saveMeta(tx: Tx, key: string, value: string): Promise<void> {
  await tx.db
    .insertInto("meta")
    .values({ key, value })
    .onConflict((oc) => oc.column("key").doUpdateSet({ value }))
    .execute();
}
