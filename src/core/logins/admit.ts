/** Whom a provider knows, as a user of this server: the one that they were before, or a new one. */
import type { Problem } from "../../api/errors.ts";
import { userNameFault } from "../../api/names.ts";
import type { UserRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import * as store from "../../store/logins.ts";
import { countAdministrators, findUserByName } from "../../store/users.ts";
import { record } from "../audit/record.ts";
import { SYSTEM } from "../change.ts";
import { requireUser } from "../people/find-user.ts";
import { addUser, changeRole } from "../people/users.ts";
import { type Identity, LoginRefused } from "./providers.ts";

/** Throws Problem not_allowed for who is disabled or cannot be called as the provider does, and name_taken. */
export async function admit(tx: Tx, identity: Identity): Promise<UserRow> {
  const known = await store.findIdentity(tx, identity.provider, identity.subject);
  const user = known ? await requireUser(tx.db, known.user_id) : await addNewcomer(tx, identity);
  if (user.disabled_at !== null)
    throw new LoginRefused(identity, "not_allowed", `${user.name} is disabled here`, "ask an administrator");
  return identity.role === undefined ? user : follow(tx, user, identity.role);
}

async function addNewcomer(tx: Tx, identity: Identity): Promise<UserRow> {
  const { provider, subject, name, role = "user" } = identity;
  const fault = userNameFault(name);
  if (fault !== undefined)
    throw new LoginRefused(
      identity,
      "not_allowed",
      `${provider} calls you ${JSON.stringify(name)}, which cannot be a name here: ${fault}`,
      "ask an administrator: `name_claim` of the server's configuration says what becomes the name",
    );
  if (await findUserByName(tx.db, name)) throw nameTaken(identity);
  const user = await addUser(tx, SYSTEM, name, role);
  const first = { made_by: null, made_with: null };
  await store.insertIdentity(tx, { provider, subject, user_id: user.id, name, ...first });
  await record(tx, SYSTEM, "identity.create", user.id, JSON.stringify({ provider, subject, name }));
  return user;
}

const nameTaken = (identity: Identity): Problem =>
  new LoginRefused(
    identity,
    "name_taken",
    `${identity.provider} calls you ${identity.name}, and another user has that name here`,
    "if that is you, log in with a token of that user, then `gpu-dev identity link`; else ask for another name at the provider",
  );

/** The provider says at each login who is an administrator; the last one stays one, or nobody could mend its groups' names. */
async function follow(tx: Tx, user: UserRow, role: UserRow["role"]): Promise<UserRow> {
  if (user.role === role) return user;
  if (role === "user" && (await countAdministrators(tx.db)) === 1) return user;
  return changeRole(tx, SYSTEM, user, role);
}
