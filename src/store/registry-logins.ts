/** Logins of users at image registries; passwords are sealed before they come here. */
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type RegistryLoginRow, registryLoginShape } from "./image-tables.ts";
import type { Db } from "./tables.ts";

/** All of a user's, by host. */
export async function registryLoginsOf(db: Db, userId: string): Promise<RegistryLoginRow[]> {
  const rows = await db
    .selectFrom("registry_logins")
    .selectAll()
    .where("user_id", "=", userId)
    .orderBy("host")
    .execute();
  return rows.map((row) => checkRow("registry_logins", registryLoginShape, row));
}

/** Adds or replaces it. */
export async function saveRegistryLogin(tx: Tx, row: RegistryLoginRow): Promise<void> {
  const { user_id: _u, host: _h, ...values } = row;
  await tx.db
    .insertInto("registry_logins")
    .values(row)
    .onConflict((oc) => oc.columns(["user_id", "host"]).doUpdateSet(values))
    .execute();
}

/** That one, or all of the user's; what was there. */
export async function deleteRegistryLogins(
  tx: Tx,
  userId: string,
  host?: string,
): Promise<RegistryLoginRow[]> {
  const rows = await tx.db
    .deleteFrom("registry_logins")
    .where("user_id", "=", userId)
    .$if(host !== undefined, (query) => query.where("host", "=", host ?? ""))
    .returningAll()
    .execute();
  return rows.map((row) => checkRow("registry_logins", registryLoginShape, row));
}

/** Those of everybody; how many there were. */
export async function deleteAllRegistryLogins(tx: Tx): Promise<number> {
  const { numDeletedRows } = await tx.db.deleteFrom("registry_logins").executeTakeFirst();
  return count(numDeletedRows);
}
