/** The users' ssh public keys: what lets them into their pods. */
import { Problem } from "../../api/errors.ts";
import type { Key, Page } from "../../api/schemas.ts";
import type { KeyRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import { deleteKey, findKey, insertKey, listKeys as listRows } from "../../store/keys.ts";
import { listEntered } from "../../store/reservations.ts";
import { record } from "../audit/record.ts";
import { changeReservation } from "../change.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, type PageQuery, pageOf } from "../cursor.ts";
import { type Answer, answerOnce, type Idempotency } from "../idempotency.ts";
import { newId } from "../ids.ts";
import { decided } from "../race.ts";
import type { Caller } from "./access.ts";
import { type PublicKey, parsePublicKey } from "./public-key.ts";

/** Adds a key, for pods that run as well; one that is known is answered as it is. Throws Problem invalid_input. */
export async function registerKey(
  core: Core,
  caller: Caller,
  input: { readonly public_key: string },
  idempotency?: Idempotency,
): Promise<Answer<Key>> {
  const given = parsePublicKey(input.public_key);
  const answer = await decided(() =>
    core.store.write((tx) => answerOnce(tx, caller, idempotency, () => addKey(tx, caller, given))),
  );
  core.signals.emit("wake");
  return answer;
}

/** The same as a part of `tx`. */
export async function addKey(tx: Tx, caller: Caller, given: PublicKey): Promise<Key> {
  const { type, line, fingerprint, comment } = given;
  const id = newId();
  const row = { id, user_id: caller.id, type, fingerprint, public_key: line, comment, created_at: tx.at };
  const made = await insertKey(tx, row);
  if (!made) return view((await findKey(tx.db, caller.id, fingerprint)) ?? row);
  await record(tx, caller.id, "key.create", id, fingerprint);
  await tellPods(tx, caller.id, caller.id, `added ${fingerprint} of ${caller.name}`);
  return view(made);
}

/** Forgets a key, also in pods that run. Throws Problem not_found. */
export async function removeKey(core: Core, caller: Caller, id: string): Promise<Key> {
  const gone = await decided(() => core.store.write((tx) => forgetKey(tx, caller, id)));
  core.signals.emit("wake");
  return view(gone);
}

async function forgetKey(tx: Tx, caller: Caller, id: string): Promise<KeyRow> {
  const row = await deleteKey(tx, caller.id, id);
  if (!row)
    throw new Problem("not_found", "You have no such key", { hint: "`gpu-dev keys list` shows yours." });
  await record(tx, caller.id, "key.delete", id, row.fingerprint);
  await tellPods(tx, caller.id, caller.id, `removed ${row.fingerprint} of ${caller.name}`);
  return row;
}

/** Pods that run, or are about to, and that this user may come into learn who may log in from now on. */
export async function tellPods(tx: Tx, actor: string, userId: string, detail: string): Promise<void> {
  for (const row of await listEntered(tx.db, userId))
    await changeReservation(
      tx,
      row,
      { actor },
      { type: "keys", detail },
      { keys_stale: 1, next_step_at: tx.at },
    );
}

/** The caller's keys, by fingerprint. */
export async function listKeys(core: Core, caller: Caller, query: PageQuery = {}): Promise<Page<Key>> {
  const limit = query.limit ?? DEFAULT_LIMIT;
  const after = cursorPosition(query.cursor, ["keys", caller.id], "text");
  const rows = await core.store.read((db) => listRows(db, caller.id, limit + 1, after ?? ""));
  return pageOf(rows, rows.map(view), limit, ["keys", caller.id], (row) => [row.fingerprint, row.id]);
}

const view = ({ id, type, fingerprint, comment, created_at }: KeyRow): Key => ({
  id,
  type,
  fingerprint,
  comment,
  created_at,
});
