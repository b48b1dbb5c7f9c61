/** Who starts the server on a machine is an administrator of it, and needs no token of anybody. */

import type { UserRow } from "../../store/account-tables.ts";
import type { Store } from "../../store/db.ts";
import { findUserByName, insertUser } from "../../store/users.ts";
import { record } from "../audit/record.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { issueToken } from "./issue.ts";

const LOCAL = "local";

/**
 * The user of this name with a fresh token that is good while `server` serves: an administrator if there was none of that name. Who
 * was made a user, or disabled, since then has no more rights than that by starting the server again.
 */
export async function ensureFirstAdmin(
  core: Core,
  name: string,
  server: string,
): Promise<{ token: string; userId: string }> {
  const user = await ensureUser(core.store, name);
  const { token } = await issueToken(core, user.id, { label: LOCAL, server });
  return { token, userId: user.id };
}

function ensureUser(store: Store, name: string): Promise<UserRow> {
  return store.write(async (tx) => {
    const row = { id: newId(), name, role: "admin", created_at: tx.at, disabled_at: null } as const;
    const made = await insertUser(tx, row);
    if (made) await record(tx, SYSTEM, "user.create", made.id, JSON.stringify({ name, role: made.role }));
    const user = made ?? (await findUserByName(tx.db, name));
    if (!user) throw new Error(`there is no user ${name} and none can be made`);
    return user;
  });
}
