/** A user by id, or the words for one whom nobody knows. */
import { Problem } from "../../api/errors.ts";
import type { UserRow } from "../../store/account-tables.ts";
import type { Db } from "../../store/tables.ts";
import { findUser } from "../../store/users.ts";

/** Throws Problem not_found. */
export async function requireUser(db: Db, id: string): Promise<UserRow> {
  const user = await findUser(db, id);
  if (!user) throw unknownUser(id);
  return user;
}

export const unknownUser = (id: string): Problem =>
  new Problem("not_found", `there is no user ${id}`, { hint: "gpu-dev admin users list shows all" });
