/** What was made with a token or by a linked login, and goes with it. */

import type { Tx } from "../../store/db.ts";
import type { IdentityRow } from "../../store/login-tables.ts";
import { identitiesMadeWith, removeIdentity } from "../../store/logins.ts";
import { revokeMadeWith } from "../../store/tokens.ts";
import { record } from "../audit/record.ts";
import { identityId } from "../logins/identity-id.ts";

/**
 * Revokes the tokens that were made with the token or login `id`, and with these in turn, and unlinks the logins that were linked with any of
 * them; how many tokens. What one that is revoked here was making meanwhile is there a round later; with those of the last round nothing was made.
 */
export async function revokeMade(tx: Tx, actor: string, id: string): Promise<number> {
  for (let count = 0; ; ) {
    const round = await revokeMadeWith(tx, id);
    for (const made of round) await recordRevoked(tx, actor, made.id, made.user_id, id);
    const linked = await identitiesMadeWith(tx.db, id);
    for (const identity of linked) count += await unlink(tx, actor, identity);
    if (round.length + linked.length === 0) return count;
    count += round.length;
  }
}

/** It leads to nobody any more; how many tokens came of it that were good. */
export async function unlink(tx: Tx, actor: string, identity: IdentityRow): Promise<number> {
  await removeIdentity(tx, identity);
  const { provider, subject, user_id } = identity;
  await record(tx, actor, "identity.delete", user_id, JSON.stringify({ provider, subject }));
  return revokeMade(tx, actor, identityId(identity));
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
