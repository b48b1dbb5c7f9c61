/** People, their tokens (as hashes) and roles. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type TokenRow, tokenShape, type UserRow, userShape } from "./tables.ts";

/** Undefined when the name is taken. */
export async function insertUser(tx: Tx, row: UserRow): Promise<UserRow | undefined> {
  const made = await tx.db
    .insertInto("users")
    .values(row)
    .onConflict((oc) => oc.column("name").doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checkRow("users", userShape, made);
}

export async function findUserByName(db: Db, name: string): Promise<UserRow | undefined> {
  const row = await db.selectFrom("users").selectAll().where("name", "=", name).executeTakeFirst();
  return row && checkRow("users", userShape, row);
}

/** Names by id. */
export async function userNames(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("users").select(["id", "name"]).where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, row.name]));
}

export async function insertToken(tx: Tx, row: TokenRow): Promise<void> {
  await tx.db.insertInto("tokens").values(row).execute();
}

/** The token with this hash and its user, whether it is still good or not. */
export async function findToken(
  db: Db,
  hash: string,
): Promise<{ token: TokenRow; user: UserRow } | undefined> {
  const token = await db.selectFrom("tokens").selectAll().where("hash", "=", hash).executeTakeFirst();
  if (!token) return undefined;
  const user = await db
    .selectFrom("users")
    .selectAll()
    .where("id", "=", token.user_id)
    .executeTakeFirstOrThrow();
  return { token: checkRow("tokens", tokenShape, token), user: checkRow("users", userShape, user) };
}

/** The tokens of a reservation are good no longer. */
export async function deleteTokensOf(tx: Tx, reservationId: string): Promise<void> {
  await tx.db.deleteFrom("tokens").where("reservation_id", "=", reservationId).execute();
}

/** Revokes one token; false when it is unknown or revoked already. */
export async function revokeToken(tx: Tx, id: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("tokens")
    .set({ revoked_at: tx.at })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** The own tokens of servers that were not seen since `before`, an instant, are good for nothing new. */
export async function replaceTokensOfGoneServers(tx: Tx, before: string): Promise<void> {
  await tx.db
    .updateTable("tokens")
    .set({ replaced_at: tx.at })
    .where("server", "is not", null)
    .where("replaced_at", "is", null)
    .where("server", "not in", tx.db.selectFrom("servers").select("name").where("seen_at", ">=", before))
    .execute();
}

/** The own token of a server that turned out to be there is good again. */
export async function restoreServerTokens(tx: Tx, server: string): Promise<void> {
  await tx.db
    .updateTable("tokens")
    .set({ replaced_at: null })
    .where("server", "=", server)
    .where("replaced_at", "is not", null)
    .execute();
}

/** The own tokens of this server, or of all others, are good for nothing new, for ever. */
export async function replaceServerTokens(
  tx: Tx,
  which: { readonly of: string } | { readonly notOf: string },
): Promise<void> {
  const update = tx.db.updateTable("tokens").set({ replaced_at: tx.at, server: null });
  await ("of" in which
    ? update.where("server", "=", which.of)
    : update.where("server", "<>", which.notOf)
  ).execute();
}

/** Whether all of these users, of which there is at least one, are administrators. */
export async function areAdministrators(db: Db, ids: readonly string[]): Promise<boolean> {
  const rows = await db.selectFrom("users").select("role").where("id", "in", ids).execute();
  return rows.length > 0 && rows.every(({ role }) => role === "admin");
}
