/** Whether a token is good, and that it stays so while what its user asked for is written. */
import { Problem } from "../../api/errors.ts";
import type { TokenRow, UserRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import { holdToken } from "../../store/tokens.ts";
import type { Caller } from "./access.ts";

interface Found {
  readonly token: TokenRow;
  readonly user: UserRow;
}

/** What a token is for: something new, or something that goes on and was allowed before. */
export type Use = "new" | "going on";

/** Throws Problem not_logged_in for a token, or a user, that is good no longer. */
export function requireGood({ token, user }: Found, now: Date, use: Use): void {
  if (user.disabled_at !== null) throw notLoggedIn(`${user.name} was disabled at ${user.disabled_at}`);
  if (token.revoked_at !== null) throw notLoggedIn(`the token was revoked at ${token.revoked_at}`);
  if (token.expires_at !== null && Date.parse(token.expires_at) <= now.getTime())
    throw notLoggedIn(`the token expired at ${token.expires_at}`);
  // A server that was restarted has taken nothing away from its user.
  if (token.replaced_at !== null && use === "new")
    throw notLoggedIn(`the token's server went at ${token.replaced_at}; the one that runs now has another`);
}

/**
 * The caller's token, which is still good, and which nobody revokes, nor disables its user, before this transaction is over: who does so
 * at the same moment sees what was written, and can end it. To be asked before anything else is locked. Throws Problem not_logged_in and
 * not_allowed.
 */
export async function holdCaller(tx: Tx, caller: Caller): Promise<TokenRow> {
  const held = await holdToken(tx, caller.tokenId);
  if (!held) throw notLoggedIn("the token is unknown");
  requireGood(held, tx.now, "going on");
  if (caller.role === "admin" && held.user.role !== "admin") throw administratorsOnly();
  return held.token;
}

export const notLoggedIn = (why: string): Problem =>
  new Problem("not_logged_in", why, {
    hint: "on the machine of the server its user needs no token; elsewhere log in (gpu-dev login URL) or set GPU_DEV_TOKEN",
  });

export const administratorsOnly = (): Problem =>
  new Problem("not_allowed", "this is for administrators", {
    hint: "use an administrator's token, of the scope admin",
  });
