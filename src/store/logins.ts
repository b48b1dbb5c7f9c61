/** Logins that were begun, and whom providers of logins know as whom. */
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type IdentityRow, identityShape, type LoginRow, loginShape } from "./login-tables.ts";
import type { Db } from "./tables.ts";
import { withMade } from "./tokens.ts";

/** The instant `seconds` from now. */
export const after = (tx: Tx, seconds: number): string =>
  new Date(tx.now.getTime() + seconds * 1000).toISOString();

export async function insertLogin(tx: Tx, row: LoginRow): Promise<void> {
  await tx.db.insertInto("logins").values(row).execute();
}

/** Forgets those that are too old, and counts the others. */
export async function countLiveLogins(tx: Tx): Promise<number> {
  await tx.db.deleteFrom("logins").where("expires_at", "<=", tx.at).execute();
  const { live } = await tx.db
    .selectFrom("logins")
    .select((eb) => eb.fn.countAll().as("live"))
    .executeTakeFirstOrThrow();
  return count(live);
}

/** One that is still good at `at`. */
export async function findLogin(db: Db, at: string, hash: string): Promise<LoginRow | undefined> {
  const row = await db
    .selectFrom("logins")
    .selectAll()
    .where("hash", "=", hash)
    .where("expires_at", ">", at)
    .executeTakeFirst();
  return row && checkRow("logins", loginShape, row);
}

/** Whoever gets true may ask the provider about it; the next one after its interval. */
export async function takeTurn(tx: Tx, { hash, interval_s }: LoginRow): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("logins")
    .set({ next_poll_at: after(tx, interval_s) })
    .where("hash", "=", hash)
    .where("next_poll_at", "<=", tx.at)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** It is asked for less often from now on. */
export async function slowLogin(tx: Tx, { hash }: LoginRow, intervalS: number): Promise<void> {
  await tx.db
    .updateTable("logins")
    .set({ interval_s: intervalS, next_poll_at: after(tx, intervalS) })
    .where("hash", "=", hash)
    .execute();
}

/** False when somebody else was faster. */
export async function deleteLogin(tx: Tx, { hash }: LoginRow): Promise<boolean> {
  const { numDeletedRows } = await tx.db.deleteFrom("logins").where("hash", "=", hash).executeTakeFirst();
  return numDeletedRows === 1n;
}

const identityOf = (row: object): IdentityRow => checkRow("identities", identityShape, row);

/** Whom the provider knows as `subject`; nobody unlinks it before this transaction is over. */
export async function findIdentity(
  tx: Tx,
  provider: string,
  subject: string,
): Promise<IdentityRow | undefined> {
  const found = tx.db
    .selectFrom("identities")
    .selectAll()
    .where("provider", "=", provider)
    .where("subject", "=", subject);
  const row = await tx.engine.holding(found).executeTakeFirst();
  return row && identityOf(row);
}

export async function listIdentities(db: Db, userId: string): Promise<IdentityRow[]> {
  const rows = await db
    .selectFrom("identities")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("provider")
    .orderBy("subject")
    .execute();
  return rows.map(identityOf);
}

/** Those that were linked with this token, or with what was made with it; with `of` to this user, by such a one of this user. */
export async function identitiesMadeWith(db: Db, id: string, of?: string): Promise<IdentityRow[]> {
  const rows = await withMade(db, id, of)
    .selectFrom("identities")
    .selectAll()
    .$if(of !== undefined, (q) => q.where("user_id", "=", of ?? ""))
    .where((eb) =>
      eb.or([eb("made_with", "=", id), eb("made_with", "in", eb.selectFrom("made").select("made.id"))]),
    )
    .execute();
  return rows.map(identityOf);
}

export async function insertIdentity(tx: Tx, row: Omit<IdentityRow, "created_at">): Promise<IdentityRow> {
  const made = tx.db.insertInto("identities").values({ ...row, created_at: tx.at });
  return identityOf(await made.returningAll().executeTakeFirstOrThrow());
}

export async function removeIdentity(tx: Tx, { provider, subject }: IdentityRow): Promise<void> {
  await tx.db
    .deleteFrom("identities")
    .where("provider", "=", provider)
    .where("subject", "=", subject)
    .execute();
}
