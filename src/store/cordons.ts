/** Nodes that get nothing new. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type CordonRow, cordonShape } from "./gpu-tables.ts";
import type { Db } from "./tables.ts";

export async function listCordons(db: Db): Promise<CordonRow[]> {
  const rows = await db.selectFrom("cordons").selectAll().orderBy("node").execute();
  return rows.map((row) => checkRow("cordons", cordonShape, row));
}

/** False when it is there already. */
export async function insertCordon(tx: Tx, row: CordonRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tx.db
    .insertInto("cordons")
    .values(row)
    .onConflict((oc) => oc.doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

/** False when there is none. */
export async function deleteCordon(tx: Tx, node: string): Promise<boolean> {
  const { numDeletedRows } = await tx.db.deleteFrom("cordons").where("node", "=", node).executeTakeFirst();
  return numDeletedRows === 1n;
}
