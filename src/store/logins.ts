/** Logins that were begun, and whom providers of logins know as whom. */
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type IdentityRow, identityShape, type LoginRow, loginShape } from "./login-tables.ts";

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

/** One that is still good. */
export async function findLogin(tx: Tx, hash: string): Promise<LoginRow | undefined> {
  const row = await tx.db
    .selectFrom("logins")
    .selectAll()
    .where("hash", "=", hash)
    .where("expires_at", ">", tx.at)
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

/** The user whom the provider knows as `subject`. */
export async function findIdentity(tx: Tx, provider: string, subject: string): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom("identities")
    .selectAll()
    .where("provider", "=", provider)
    .where("subject", "=", subject)
    .executeTakeFirst();
  return row && checkRow("identities", identityShape, row).user_id;
}

export async function insertIdentity(tx: Tx, row: Omit<IdentityRow, "created_at">): Promise<void> {
  await tx.db
    .insertInto("identities")
    .values({ ...row, created_at: tx.at })
    .execute();
}
