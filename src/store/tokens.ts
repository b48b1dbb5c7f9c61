/** Tokens: their hashes, what they are good for, and until when. */

import { type TokenRow, tokenShape, type UserRow, userShape } from "./account-tables.ts";
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

const checked = (row: object): TokenRow => checkRow("tokens", tokenShape, row);

/** What a new token has not. */
export const UNUSED = {
  revoked_at: null,
  server: null,
  replaced_at: null,
  reservation_id: null,
  last_used_at: null,
  rotated_at: null,
  made_by: null,
  made_with: null,
  ends_by: null,
} as const satisfies Partial<TokenRow>;

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
  return { token: checked(token), user: checkRow("users", userShape, user) };
}

export async function findTokenById(db: Db, id: string): Promise<TokenRow | undefined> {
  const row = await db.selectFrom("tokens").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

/** The same by its id: neither is changed by anybody else until the end of this transaction. */
export async function holdToken(tx: Tx, id: string): Promise<{ token: TokenRow; user: UserRow } | undefined> {
  const held = tx.engine.holding(tx.db.selectFrom("tokens").selectAll().where("id", "=", id));
  const token = await held.executeTakeFirst();
  if (!token) return undefined;
  const user = tx.engine.holding(tx.db.selectFrom("users").selectAll().where("id", "=", token.user_id));
  return { token: checked(token), user: checkRow("users", userShape, await user.executeTakeFirstOrThrow()) };
}

interface Wanted {
  readonly userId: string;
  /** Only those that are good at this instant. */
  readonly liveAt: string | undefined;
  /** Older than the token that was made then and has this id. */
  readonly before: { readonly at: string; readonly id: string } | undefined;
  readonly limit: number;
}

/** A user's, newest first. */
export async function listTokens(db: Db, { userId, liveAt, before, limit }: Wanted): Promise<TokenRow[]> {
  const rows = await db
    .selectFrom("tokens")
    .selectAll()
    .where("user_id", "=", userId)
    .$if(liveAt !== undefined, (q) =>
      q
        .where("revoked_at", "is", null)
        .where("replaced_at", "is", null)
        .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", liveAt ?? "")])),
    )
    .$if(before !== undefined, (q) =>
      q.where((eb) =>
        eb.or([
          eb("created_at", "<", before?.at ?? ""),
          eb.and([eb("created_at", "=", before?.at ?? ""), eb("id", "<", before?.id ?? "")]),
        ]),
      ),
    )
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(checked);
}

/** Of each of these users: how many tokens are good at `at`, and when one was used last. */
export async function tokenTotals(
  db: Db,
  userIds: readonly string[],
  at: string,
): Promise<Map<string, { readonly live: number; readonly lastUsedAt: string | null }>> {
  if (userIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("tokens")
    .select((eb) => [
      "user_id",
      eb.fn.max("last_used_at").as("used"),
      eb.fn
        .countAll()
        .filterWhere("revoked_at", "is", null)
        .filterWhere("replaced_at", "is", null)
        .filterWhere((or) => or.or([or("expires_at", "is", null), or("expires_at", ">", at)]))
        .as("live"),
    ])
    .where("user_id", "in", userIds)
    .groupBy("user_id")
    .execute();
  return new Map(rows.map((row) => [row.user_id, { live: count(row.live), lastUsedAt: row.used }]));
}

/** That they were used is written, but for those of which a later instant than `since` is written already. */
export async function noteTokensUsed(tx: Tx, ids: readonly string[], since: string): Promise<void> {
  await tx.db
    .updateTable("tokens")
    .set({ last_used_at: tx.at })
    .where("id", "in", ids)
    .where((eb) => eb.or([eb("last_used_at", "is", null), eb("last_used_at", "<=", since)]))
    .execute();
}

/** The tokens of a reservation are good no longer. */
export async function deleteTokensOf(tx: Tx, reservationId: string): Promise<void> {
  await tx.db.deleteFrom("tokens").where("reservation_id", "=", reservationId).execute();
}

/** The same of those in its pods alone: its owner's for it stay. */
export async function deletePodTokens(tx: Tx, reservationId: string): Promise<void> {
  await tx.db
    .deleteFrom("tokens")
    .where("reservation_id", "=", reservationId)
    .where("scope", "<>", "reservation")
    .execute();
}

/** Revokes one token; undefined when it is unknown or revoked already. */
export async function revokeToken(tx: Tx, id: string): Promise<TokenRow | undefined> {
  const row = await tx.db
    .updateTable("tokens")
    .set({ revoked_at: tx.at })
    .where("id", "=", id)
    .where("revoked_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** With `made`: the tokens that were made with this token or login, and with these in turn; with `of` by this user's for this user alone. */
export const withMade = (db: Db, id: string, of?: string) =>
  db.withRecursive("made(id)", (made) => {
    const tokens = made
      .selectFrom("tokens")
      .$if(of !== undefined, (q) => q.where("tokens.user_id", "=", of ?? ""));
    return tokens
      .select("tokens.id")
      .where("tokens.made_with", "=", id)
      .union(tokens.innerJoin("made", "made.id", "tokens.made_with").select("tokens.id"));
  });

/** Whose those are that are good at `at`: a user for each. */
export async function usersOfMade(db: Db, id: string, at: string): Promise<string[]> {
  const rows = await withMade(db, id)
    .selectFrom("tokens")
    .select("user_id")
    .where("id", "in", (eb) => eb.selectFrom("made").select("made.id"))
    .where("revoked_at", "is", null)
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", at)]))
    .execute();
  return rows.map((row) => row.user_id);
}

/** Those that were made with `from` are taken for made with `to`. */
export async function setMadeWith(tx: Tx, from: string, to: string): Promise<void> {
  await tx.db.updateTable("tokens").set({ made_with: to }).where("made_with", "=", from).execute();
}

/** Revokes those of them that are good; at most what others had made when it began. */
export async function revokeMadeWith(tx: Tx, id: string, of?: string): Promise<TokenRow[]> {
  const rows = await withMade(tx.db, id, of)
    .updateTable("tokens")
    .set({ revoked_at: tx.at })
    .where("id", "in", (eb) => eb.selectFrom("made").select("made.id"))
    .where("revoked_at", "is", null)
    .where((eb) => eb.or([eb("expires_at", "is", null), eb("expires_at", ">", tx.at)]))
    .returningAll()
    .execute();
  return rows.map(checked);
}

/** At most `limit` that are good for nothing since before `instant`, and with which nothing was made that is still there, but for what took their own place. */
export async function overTokens(
  db: Db,
  instant: string,
  limit: number,
): Promise<{ readonly id: string; readonly made_with: string | null }[]> {
  return db
    .selectFrom("tokens")
    .select(["id", "made_with"])
    .where((eb) =>
      eb.or([
        eb("expires_at", "<", instant),
        eb("revoked_at", "<", instant),
        eb("replaced_at", "<", instant),
      ]),
    )
    .where(({ eb, exists, not, selectFrom }) => {
      const made = selectFrom("tokens as made")
        .whereRef("made.made_with", "=", "tokens.id")
        // In the transaction that made it the old one was marked.
        .where((or) =>
          or.or([
            or("tokens.rotated_at", "is", null),
            or("made.created_at", "<>", or.ref("tokens.rotated_at")),
          ]),
        );
      const linked = selectFrom("identities").whereRef("identities.made_with", "=", "tokens.id");
      return eb.and([not(exists(made.select("made.id"))), not(exists(linked.select("subject")))]);
    })
    .limit(limit)
    .execute();
}

/** None of them was made with another of them. What took the place of one counts as made with what that was made with. */
export async function deleteTokens(tx: Tx, ids: readonly string[]): Promise<void> {
  await tx.db
    .updateTable("tokens")
    .set((eb) => ({
      made_with: eb
        .selectFrom("tokens as gone")
        .select("gone.made_with")
        .whereRef("gone.id", "=", "tokens.made_with"),
    }))
    .where("made_with", "in", ids)
    .execute();
  await tx.db.deleteFrom("tokens").where("id", "in", ids).execute();
}

/** A user's tokens that are good for the metrics alone are good for nothing; their ids. */
export async function revokeMetricsTokens(tx: Tx, userId: string): Promise<string[]> {
  const rows = await tx.db
    .updateTable("tokens")
    .set({ revoked_at: tx.at })
    .where("user_id", "=", userId)
    .where("scope", "=", "metrics")
    .where("revoked_at", "is", null)
    .returning("id")
    .execute();
  return rows.map(({ id }) => id);
}

/** It ends at `expiresAt`, since another was made in its place; false when that was done before. */
export async function markRotated(tx: Tx, id: string, expiresAt: string): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("tokens")
    .set({ rotated_at: tx.at, expires_at: expiresAt })
    .where("id", "=", id)
    .where("rotated_at", "is", null)
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
