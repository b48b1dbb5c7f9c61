/** People and their roles. */

import { type UserRow, userShape } from "./account-tables.ts";
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

const checked = (row: object): UserRow => checkRow("users", userShape, row);

/** Undefined when the name is taken. */
export async function insertUser(tx: Tx, row: UserRow): Promise<UserRow | undefined> {
  const made = await tx.db
    .insertInto("users")
    .values(row)
    .onConflict((oc) => oc.column("name").doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checked(made);
}

export async function findUser(db: Db, id: string): Promise<UserRow | undefined> {
  const row = await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

export async function findUserByName(db: Db, name: string): Promise<UserRow | undefined> {
  const row = await db.selectFrom("users").selectAll().where("name", "=", name).executeTakeFirst();
  return row && checked(row);
}

/** By name, at most `limit` after the one given. */
export async function listUsers(db: Db, limit: number, after: string): Promise<UserRow[]> {
  const rows = await db
    .selectFrom("users")
    .selectAll()
    .where("name", ">", after)
    .orderBy("name")
    .limit(limit)
    .execute();
  return rows.map(checked);
}

/** Names by id. */
export async function userNames(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("users").select(["id", "name"]).where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, row.name]));
}

/** Those of them who are not disabled, in their order. */
export async function enabledOf(db: Db, ids: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom("users")
    .select("id")
    .where("id", "in", ids)
    .where("disabled_at", "is", null)
    .execute();
  const enabled = new Set(rows.map((row) => row.id));
  return ids.filter((id) => enabled.has(id));
}

export async function updateUser(
  tx: Tx,
  id: string,
  set: Partial<Pick<UserRow, "role" | "disabled_at">>,
): Promise<UserRow> {
  const row = await tx.db
    .updateTable("users")
    .set(set)
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return checked(row);
}

/** Whether all of these users, of which there is at least one, are administrators. */
export async function areAdministrators(db: Db, ids: readonly string[]): Promise<boolean> {
  const rows = await db.selectFrom("users").select("role").where("id", "in", ids).execute();
  return rows.length > 0 && rows.every(({ role }) => role === "admin");
}

/** How many administrators can do something. */
export async function countAdministrators(db: Db): Promise<number> {
  const row = await db
    .selectFrom("users")
    .select((eb) => eb.fn.countAll().as("n"))
    .where("role", "=", "admin")
    .where("disabled_at", "is", null)
    .executeTakeFirstOrThrow();
  return count(row.n);
}
