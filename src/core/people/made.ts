/** What was made with a token or by a linked login, and goes with it. */

import type { MadeWith } from "../../api/made.ts";
import type { Tx } from "../../store/db.ts";
import type { IdentityRow } from "../../store/login-tables.ts";
import { identitiesMadeWith, removeIdentity } from "../../store/logins.ts";
import type { Db } from "../../store/tables.ts";
import { revokeMadeWith, setMadeWith, usersOfMade } from "../../store/tokens.ts";
import { record } from "../audit/record.ts";
import { identityId } from "../logins/identity-id.ts";

/** A token or a linked login, and whose it is. */
export interface Made {
  readonly what: "tokens" | "logins";
  readonly userId: string;
}

/**
 * Revokes the tokens that were made with the token or login `id`, and with these in turn, and unlinks the logins that were linked with any of
 * them; with `of` only those of this user, and what was made with these. What one that is revoked here was making meanwhile is there a
 * round later; with those of the last round nothing was made.
 */
export async function revokeMade(tx: Tx, actor: string, id: string, of?: string): Promise<Made[]> {
  for (const gone: Made[] = []; ; ) {
    const round = await revokeMadeWith(tx, id, of);
    for (const made of round) await recordRevoked(tx, actor, made.id, made.user_id, id);
    gone.push(...round.map(({ user_id: userId }) => ({ what: "tokens" as const, userId })));
    const linked = await identitiesMadeWith(tx.db, id, of);
    for (const identity of linked) {
      gone.push({ what: "logins", userId: identity.user_id }, ...(await unlink(tx, actor, identity, of)));
      await handOn(tx, identity);
    }
    if (round.length + linked.length === 0) return gone;
  }
}

/** It leads to nobody any more; what came of it and went with it, with `of` of this user alone. */
export async function unlink(tx: Tx, actor: string, identity: IdentityRow, of?: string): Promise<Made[]> {
  await removeIdentity(tx, identity);
  const { provider, subject, user_id } = identity;
  await record(tx, actor, "identity.delete", user_id, JSON.stringify({ provider, subject }));
  return revokeMade(tx, actor, identityId(identity), of);
}

/** What came of a login that is linked no more counts as made with the token with which it was linked, and can be revoked with that. */
export async function handOn(tx: Tx, identity: IdentityRow): Promise<void> {
  if (identity.made_with !== null) await setMadeWith(tx, identityId(identity), identity.made_with);
}

/** What was made with the token or login `id`, and with that in turn, and is good at `at`. */
export async function listMade(db: Db, id: string, at: string): Promise<Made[]> {
  const made: Made[] = [];
  const ids = new Set([id]);
  // A set that grows is gone through to its end.
  for (const each of ids) {
    for (const userId of await usersOfMade(db, each, at)) made.push({ what: "tokens", userId });
    for (const identity of await identitiesMadeWith(db, each)) {
      made.push({ what: "logins", userId: identity.user_id });
      ids.add(identityId(identity));
    }
  }
  return made;
}

/** How much of it is of `userId`, and how much of how many others. */
export function countMade(made: readonly Made[], userId: string): MadeWith {
  const own = made.filter((one) => one.userId === userId);
  const others = made.filter((one) => one.userId !== userId);
  const count = (some: readonly Made[], what: Made["what"]) => some.filter((one) => one.what === what).length;
  const counts = (some: readonly Made[]) => ({
    tokens: count(some, "tokens"),
    logins: count(some, "logins"),
  });
  const users = new Set(others.map((one) => one.userId)).size;
  return { own: counts(own), others: { ...counts(others), users } };
}

/** The entry of the audit trail, of a token of this user; `madeWith` what was revoked or unlinked. */
export const recordRevoked = (
  tx: Tx,
  actor: string,
  id: string,
  userId: string,
  madeWith?: string,
): Promise<void> =>
  record(tx, actor, "token.revoke", id, JSON.stringify({ user_id: userId, made_with: madeWith }));
