/** The processes that serve this database, each with a row that it renews. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type ServerRow, serverShape } from "./tables.ts";

/** Adds the row of a server that has come, or renews it. */
export async function saveServer(
  tx: Tx,
  given: Pick<ServerRow, "name" | "address" | "draining">,
): Promise<void> {
  await tx.db
    .insertInto("servers")
    .values({ ...given, started_at: tx.at, seen_at: tx.at })
    .onConflict((oc) => oc.column("name").doUpdateSet({ seen_at: tx.at, draining: given.draining }))
    .execute();
}

export async function deleteServer(tx: Tx, name: string): Promise<void> {
  await tx.db.deleteFrom("servers").where("name", "=", name).execute();
}

/** Forgets those who were not seen since `before`, an instant. */
export async function deleteUnseenServers(tx: Tx, before: string): Promise<void> {
  await tx.db.deleteFrom("servers").where("seen_at", "<", before).execute();
}

/** All that are known, those that were not seen for a while too. */
export async function listServers(db: Db): Promise<ServerRow[]> {
  const rows = await db.selectFrom("servers").selectAll().orderBy("name").execute();
  return rows.map((row) => checkRow("servers", serverShape, row));
}
