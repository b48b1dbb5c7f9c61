/** Users, as administrators see and change them. */
import {
  type CreatedUser,
  type CreateUser,
  type PatchUser,
  TOKEN_TTL_S,
  type User,
} from "../../api/accounts.ts";
import { Problem } from "../../api/errors.ts";
import type { Page } from "../../api/schemas.ts";
import type { UserRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import { deleteRegistryLogins } from "../../store/registry-logins.ts";
import { liveIds } from "../../store/reservations.ts";
import type { Db } from "../../store/tables.ts";
import { revokeMetricsTokens, tokenTotals } from "../../store/tokens.ts";
import * as store from "../../store/users.ts";
import { record } from "../audit/record.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, pageOf } from "../cursor.ts";
import { cancelFor } from "../edit.ts";
import type { Answer, Idempotency } from "../idempotency.ts";
import { newId } from "../ids.ts";
import { decided } from "../race.ts";
import type { Caller } from "./access.ts";
import { requireUser } from "./find-user.ts";
import { issue } from "./issue.ts";
import { tellPods } from "./keys.ts";
import { recordRevoked } from "./made.ts";
import { holdCaller } from "./standing.ts";
import { viewToken } from "./token-list.ts";
import { tellOnce } from "./told-once.ts";

/** Adds a user; by the system, as at a login, unless told otherwise. Throws Problem name_taken. */
export const createUser = (core: Core, name: string, role: UserRow["role"]): Promise<UserRow> =>
  core.store.write((tx) => addUser(tx, SYSTEM, name, role));

/** The same in a transaction. Throws Problem name_taken. */
export async function addUser(tx: Tx, actor: string, name: string, role: UserRow["role"]): Promise<UserRow> {
  const row = { id: newId(), name, role, created_at: tx.at, disabled_at: null };
  const made = await store.insertUser(tx, row);
  if (!made) throw new Problem("name_taken", `there is a user ${name} already`);
  await record(tx, actor, "user.create", made.id, JSON.stringify({ name, role }));
  return made;
}

/** Adds a user with a first token, which has all rights of the role. Throws Problem name_taken. */
export async function createUserWithToken(
  core: Core,
  caller: Caller,
  { name, role = "user", token_expires_in_s: ttlS = TOKEN_TTL_S.usual }: CreateUser,
  idempotency: Idempotency | undefined,
): Promise<Answer<CreatedUser>> {
  const { made, secret, replayed } = await tellOnce(core, caller, idempotency, async (tx, token) => {
    const row = await addUser(tx, caller.id, name, role);
    const wanted = { label: "first", scope: role, ttlS, madeWith: caller.tokenId };
    const first = await issue(tx, caller.id, row.id, token, wanted);
    const [user] = await viewUsers(tx.db, [row], tx.now);
    return { user: user as User, token: viewToken(first, tx.now) };
  });
  return { body: { user: made.user, token: { ...made.token, token: secret } }, replayed };
}

interface ListQuery {
  readonly name?: string | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** By name. */
export function listUsers(
  core: Core,
  { name, limit = DEFAULT_LIMIT, cursor }: ListQuery,
): Promise<Page<User>> {
  const filter = ["users", name];
  const after = cursorPosition(cursor, filter, "name") ?? "";
  return core.store.read(async (db, now) => {
    const one = name === undefined ? undefined : await store.findUserByName(db, name);
    const rows = name === undefined ? await store.listUsers(db, limit + 1, after) : one ? [one] : [];
    const items = await viewUsers(db, rows, now);
    return pageOf(rows, items, limit, filter, (row) => [row.name, row.id]);
  });
}

/** Throws Problem not_found. */
export const getUser = (core: Core, id: string): Promise<User> =>
  core.store.read(async (db, now) => viewUser(db, await requireUser(db, id), now));

/**
 * Changes the role, disables or enables. No token of a disabled user is good for anything; what they reserved goes on to its end,
 * unless it is cancelled with the same request. Throws Problem not_found, last_administrator.
 */
export async function changeUser(core: Core, caller: Caller, id: string, patch: PatchUser): Promise<User> {
  const changed = await decided(() =>
    core.store.write(
      async (tx) => {
        await holdCaller(tx, caller);
        const before = await requireUser(tx.db, id);
        const after = await change(tx, caller, before, patch);
        if ((await store.countAdministrators(tx.db)) === 0) throw lastAdministrator(before);
        return after;
      },
      // Two administrators who demote each other at the same moment must not both be right.
      { lock: "users" },
    ),
  );
  if (patch.cancel) await cancelAll(core, caller, changed);
  core.signals.emit("wake");
  return getUser(core, id);
}

/** Whether an administrator is left is the caller's to look at, under the lock "users". */
export async function changeRole(
  tx: Tx,
  actor: string,
  { id }: UserRow,
  role: UserRow["role"],
): Promise<UserRow> {
  // Who is no administrator any more could read these with nobody knowing.
  for (const token of role === "user" ? await revokeMetricsTokens(tx, id) : [])
    await recordRevoked(tx, actor, token, id);
  await record(tx, actor, "user.role", id, role);
  return store.updateUser(tx, id, { role });
}

async function change(tx: Tx, caller: Caller, before: UserRow, patch: PatchUser): Promise<UserRow> {
  const { id } = before;
  let row = before;
  if (patch.role !== undefined && patch.role !== row.role)
    row = await changeRole(tx, caller.id, row, patch.role);
  if (patch.disabled !== undefined && patch.disabled !== (row.disabled_at !== null)) {
    row = await store.updateUser(tx, id, { disabled_at: patch.disabled ? tx.at : null });
    const action = patch.disabled ? "user.disable" : "user.enable";
    await record(tx, caller.id, action, id);
    const may = patch.disabled ? "may not come in any more" : "may come in again";
    await tellPods(tx, caller.id, id, `${row.name} ${may}`);
    // Nobody may come back to a secret that was left behind.
    if (patch.disabled) await deleteRegistryLogins(tx, id);
  }
  return row;
}

const lastAdministrator = ({ name }: UserRow): Problem =>
  new Problem("last_administrator", `${name} is the last administrator who is not disabled`, {
    hint: "make somebody else one first: gpu-dev admin users role NAME admin",
  });

async function cancelAll(core: Core, caller: Caller, { id: owner, name }: UserRow): Promise<void> {
  const live = await core.store.read((db) => liveIds(db, [owner]));
  for (const id of live.get(owner) ?? []) await cancelFor(core, caller, id, `${name} was disabled`);
}

async function viewUser(db: Db, row: UserRow, now: Date): Promise<User> {
  const [user] = await viewUsers(db, [row], now);
  if (!user) throw new Error(`user ${row.id} is not shown`);
  return user;
}

async function viewUsers(db: Db, rows: readonly UserRow[], now: Date): Promise<User[]> {
  const ids = rows.map(({ id }) => id);
  const tokens = await tokenTotals(db, ids, now.toISOString());
  const live = await liveIds(db, ids);
  return rows.map(({ id, name, role, created_at, disabled_at }) => ({
    ...{ id, name, role, created_at, disabled_at },
    live_reservations: live.get(id)?.length ?? 0,
    live_tokens: tokens.get(id)?.live ?? 0,
    last_used_at: tokens.get(id)?.lastUsedAt ?? null,
  }));
}
