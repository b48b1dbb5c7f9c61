/** Facts about this database itself. */
import type { Tx } from "./db.ts";

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
