/** New tokens, as they are stored. */
import { randomBytes } from "node:crypto";
import type { Scope } from "../../api/token-routes.ts";
import type { TokenRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import { insertToken, UNUSED } from "../../store/tokens.ts";
import { record } from "../audit/record.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { requireUser } from "./find-user.ts";
import { hashOf, prefixOf, tokenOf } from "./token.ts";

export interface Wanted {
  readonly label: string;
  readonly scope: Scope;
  /** Seconds from now; without it, it ends with its server. */
  readonly ttlS?: number | undefined;
  readonly server?: string | undefined;
  readonly reservationId?: string | undefined;
  /** The token that it is made with. */
  readonly madeWith?: string | undefined;
  /** An instant: neither it nor what takes its place is good for longer. */
  readonly endsBy?: string | null | undefined;
}

/** Stores a token of this secret, of which only the hash is kept, and how it begins. `actor` is who makes it. */
export async function issue(
  tx: Tx,
  actor: string,
  userId: string,
  secret: string,
  wanted: Wanted,
): Promise<TokenRow> {
  const { label, scope, ttlS, server = null, reservationId = null, madeWith = null, endsBy = null } = wanted;
  const row: TokenRow = {
    ...UNUSED,
    id: newId(),
    user_id: userId,
    hash: hashOf(secret),
    prefix: prefixOf(secret),
    label,
    scope,
    created_at: tx.at,
    expires_at:
      ttlS === undefined ? null : new Date(Math.round(tx.now.getTime() + ttlS * 1000)).toISOString(),
    server,
    reservation_id: reservationId,
    made_by: actor === SYSTEM ? null : actor,
    made_with: madeWith,
    ends_by: endsBy,
  };
  await insertToken(tx, row);
  const about = { user_id: userId, label, scope, ...(madeWith === null ? {} : { made_with: madeWith }) };
  await record(tx, actor, "token.create", row.id, JSON.stringify(about));
  return row;
}

/** A token that the server itself makes for a user, with all rights that the user has unless told otherwise. */
export async function issueToken(
  core: Core,
  userId: string,
  given: Omit<Wanted, "scope"> & { readonly scope?: Scope },
): Promise<{ id: string; token: string }> {
  const token = tokenOf(randomBytes(32));
  return core.store.write(async (tx) => {
    const { role } = await requireUser(tx.db, userId);
    const { id } = await issue(tx, SYSTEM, userId, token, { scope: role, ...given });
    return { id, token };
  });
}
