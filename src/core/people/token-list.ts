/** Tokens as their owner and administrators see them, and revoking one. */
import type { RevokedToken, Token, TokenDetails } from "../../api/accounts.ts";
import { Problem } from "../../api/errors.ts";
import type { RevokeMade } from "../../api/made.ts";
import type { Page } from "../../api/schemas.ts";
import type { TokenRow } from "../../store/account-tables.ts";
import type { Db } from "../../store/tables.ts";
import { findTokenById, listTokens as listRows, revokeToken as markRevoked } from "../../store/tokens.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, pageOf } from "../cursor.ts";
import type { Caller } from "./access.ts";
import { requireAdmin } from "./administrators.ts";
import { requireUser } from "./find-user.ts";
import { countMade, listMade, recordRevoked, revokeMade } from "./made.ts";

/** The caller's own, or anybody's for an administrator, and how much is good that was made with it. Throws Problem not_found. */
export const getToken = (core: Core, caller: Caller, id: string): Promise<TokenDetails> =>
  core.store.read(async (db, now) => {
    const token = await requireToken(db, caller, id);
    const made = await listMade(db, id, now.toISOString());
    return { ...viewToken(token, now, caller), made: countMade(made, token.user_id) };
  });

/**
 * The same is good for nothing any more, and with it what was made with it: of the same user, of all, or nothing. What an administrator
 * made for others is theirs to work with. Doing it again does nothing more. Throws Problem not_found, and not_allowed for `all`.
 */
export function revokeToken(
  core: Core,
  caller: Caller,
  id: string,
  made: RevokeMade = "own",
): Promise<RevokedToken> {
  return core.store.write(async (tx) => {
    const token = await requireToken(tx.db, caller, id);
    if (made === "all") requireAdminForAll(caller);
    const owner = token.user_id;
    const revoked = await markRevoked(tx, id);
    if (revoked) await recordRevoked(tx, caller.id, id, owner);
    const gone =
      made === "keep" ? [] : await revokeMade(tx, caller.id, id, made === "own" ? owner : undefined);
    return {
      ...viewToken(revoked ?? token, tx.now, caller),
      also_revoked: countMade(gone, owner),
      left: countMade(await listMade(tx.db, id, tx.at), owner),
    };
  });
}

/** Who is no administrator any more must not cut off those who were added then. Throws Problem not_allowed. */
export const requireAdminForAll = (caller: Caller): void =>
  requireAdmin(caller, "what was made for other users is an administrator's to revoke");

async function requireToken(db: Db, caller: Caller, id: string): Promise<TokenRow> {
  const token = await findTokenById(db, id);
  if (token && (token.user_id === caller.id || caller.role === "admin")) return token;
  throw unknownToken(id);
}

export const unknownToken = (id: string): Problem =>
  new Problem("not_found", `there is no token ${id} of yours`, { hint: "gpu-dev token list shows yours" });

interface ListQuery {
  readonly state?: "live" | "all" | undefined;
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

/** The caller's, or those of the user whom an administrator names, newest first. Throws Problem not_found. */
export function listTokens(
  core: Core,
  caller: Caller,
  { state = "live", limit = DEFAULT_LIMIT, cursor }: ListQuery,
  userId = caller.id,
): Promise<Page<Token>> {
  const filter = ["tokens", userId, state];
  const [at = "", id = ""] = cursorPosition(cursor, filter, "text")?.split(" ") ?? [];
  return core.store.read(async (db, now) => {
    await requireUser(db, userId);
    const rows = await listRows(db, {
      userId,
      liveAt: state === "live" ? now.toISOString() : undefined,
      before: cursor === undefined ? undefined : { at, id },
      limit: limit + 1,
    });
    const items = rows.map((row) => viewToken(row, now, caller));
    return pageOf(rows, items, limit, filter, (row) => [`${row.created_at} ${row.id}`, row.id]);
  });
}

export function stateOf(row: TokenRow, now: Date): Token["state"] {
  if (row.revoked_at !== null) return "revoked";
  const over = row.expires_at !== null && Date.parse(row.expires_at) <= now.getTime();
  if (row.replaced_at !== null || (over && row.rotated_at !== null)) return "replaced";
  return over ? "expired" : "live";
}

/** As the contract shows it; its secret is nowhere. */
export function viewToken(row: TokenRow, now: Date, caller?: Caller): Token {
  return {
    id: row.id,
    prefix: row.prefix,
    label: row.label,
    scope: row.scope,
    reservation_id: row.reservation_id,
    created_at: row.created_at,
    expires_at: row.expires_at,
    last_used_at: row.last_used_at,
    rotated_at: row.rotated_at,
    revoked_at: row.revoked_at,
    made_by: row.made_by,
    made_with: row.made_with,
    state: stateOf(row, now),
    current: row.id === caller?.tokenId,
  };
}
