/** The tunnels that servers carry now. */
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type OpenTunnelRow, openTunnelShape } from "./tables.ts";

const checked = (row: object): OpenTunnelRow => checkRow("open_tunnels", openTunnelShape, row);

/** Those that are known already stay as they are. */
export async function insertOpenTunnels(tx: Tx, rows: readonly OpenTunnelRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx.db
    .insertInto("open_tunnels")
    .values(rows)
    .onConflict((oc) => oc.column("session").doNothing())
    .execute();
}

export async function deleteOpenTunnels(tx: Tx, sessions: readonly string[]): Promise<void> {
  if (sessions.length === 0) return;
  await tx.db.deleteFrom("open_tunnels").where("session", "in", sessions).execute();
}

/** Takes away at most `limit` of those whose server is not among the known ones; nobody else gets the same. */
export async function takeOrphanedTunnels(tx: Tx, limit: number): Promise<OpenTunnelRow[]> {
  const orphans = tx.db
    .selectFrom("open_tunnels")
    .select("session")
    .where("server", "not in", tx.db.selectFrom("servers").select("name"))
    .orderBy("session")
    .limit(limit);
  const rows = await tx.db
    .deleteFrom("open_tunnels")
    .where("session", "in", orphans)
    .returningAll()
    .execute();
  return rows.map(checked);
}

/** Those of one server. */
export async function tunnelsOf(db: Db, server: string): Promise<OpenTunnelRow[]> {
  const rows = await db.selectFrom("open_tunnels").selectAll().where("server", "=", server).execute();
  return rows.map(checked);
}

export interface Held {
  readonly ofUser: number;
  readonly ofReservation: number;
}

/** How many a user has, and a reservation, at servers other than `server` that were seen since `seenSince`. */
export async function countOpenTunnels(
  db: Db,
  holder: { readonly userId: string; readonly reservationId: string },
  others: { readonly server: string; readonly seenSince: string },
): Promise<Held> {
  const { userId, reservationId } = holder;
  const found = await db
    .selectFrom("open_tunnels")
    .innerJoin("servers", "servers.name", "open_tunnels.server")
    .where("servers.name", "<>", others.server)
    .where("servers.seen_at", ">=", others.seenSince)
    .where((eb) => eb.or([eb("user_id", "=", userId), eb("reservation_id", "=", reservationId)]))
    .select((eb) => [
      eb.fn.countAll().filterWhere("user_id", "=", userId).as("of_user"),
      eb.fn.countAll().filterWhere("reservation_id", "=", reservationId).as("of_reservation"),
    ])
    .executeTakeFirstOrThrow();
  return { ofUser: count(found.of_user), ofReservation: count(found.of_reservation) };
}
