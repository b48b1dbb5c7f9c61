/**
 * Making tokens for people. A *scope* says what one is good for, and its user's role bounds that at every use: an
 * administrator's token of the scope `user` does what a user may, and `admin` is nothing for who is no administrator any more.
 */
import { type CreateToken, type IssuedToken, TOKEN_TTL_S } from "../../api/accounts.ts";
import { Problem } from "../../api/errors.ts";
import type { Scope } from "../../api/token-routes.ts";
import type { TokenRow, UserRow } from "../../store/account-tables.ts";
import type { Tx } from "../../store/db.ts";
import type { Db } from "../../store/tables.ts";
import { findTokenById, markRotated } from "../../store/tokens.ts";
import { record } from "../audit/record.ts";
import { isFinal, notActive } from "../change.ts";
import type { Core } from "../core.ts";
import type { Answer, Idempotency } from "../idempotency.ts";
import type { Caller } from "./access.ts";
import { requireUser } from "./find-user.ts";
import { issue } from "./issue.ts";
import { ownReservation } from "./ownership.ts";
import { holdCaller } from "./standing.ts";
import { stateOf, unknownToken, viewToken } from "./token-list.ts";
import { tellOnce } from "./told-once.ts";

/** Scripts have this long to take up the new one; whoever lost a token revokes it instead. */
const OVERLAP_MS = 10 * 60_000;

/** What a token of each scope may make: never more than it is good for itself. */
const GRANTS: Readonly<Record<Scope, readonly Scope[]>> = {
  admin: ["admin", "user", "metrics", "reservation"],
  user: ["user", "reservation"],
  metrics: [],
  reservation: [],
  pod: [],
};

/**
 * Makes one for the caller, or for the user whom an administrator names; by one that is no administrator's, none that is good for longer
 * than itself. Throws Problem not_allowed, not_found, not_active, invalid_input.
 */
export function createToken(
  core: Core,
  caller: Caller,
  input: CreateToken,
  idempotency: Idempotency | undefined,
  userId = caller.id,
): Promise<Answer<IssuedToken>> {
  const { label, scope = "user", reservation_id: reservationId, expires_in_s } = input;
  return tell(core, caller, idempotency, async (tx, secret) => {
    requireGrant(caller, scope);
    const user = await requireUser(tx.db, userId);
    if (scope === "admin" && user.role !== "admin") throw noAdministrator(user);
    if (reservationId !== undefined) await requireLive(tx.db, userId, reservationId);
    const endsBy = boundOf(caller, await holdCaller(tx, caller));
    if (expires_in_s !== undefined) requireWithin(expires_in_s, endsBy, tx.now);
    const ttlS = within(expires_in_s ?? TOKEN_TTL_S.usual, endsBy, tx.now);
    const wanted = { label, scope, ttlS, reservationId, madeWith: caller.tokenId, endsBy };
    return issue(tx, caller.id, userId, secret, wanted);
  });
}

/**
 * One in its place, for as long as that was made for, or until the caller's own ends; the old one has 10 minutes left. One that comes of a
 * login, or was made with such a one, is not renewed past the end of that. Throws Problem not_found, not_allowed, conflict.
 */
export function rotateToken(
  core: Core,
  caller: Caller,
  id: string,
  idempotency: Idempotency | undefined,
): Promise<Answer<IssuedToken>> {
  return tell(core, caller, idempotency, async (tx, secret) => {
    const old = await findTokenById(tx.db, id);
    if (!old || old.user_id !== caller.id) throw unknownToken(id);
    requireGrant(caller, old.scope);
    const { lengthS, endsAt } = rotation(old, tx.now);
    const endsBy = boundOf(caller, await holdCaller(tx, caller), old);
    const { label, scope, reservation_id } = old;
    const row = await issue(tx, caller.id, caller.id, secret, {
      ...{ label, scope, ttlS: within(lengthS, endsBy, tx.now), reservationId: reservation_id ?? undefined },
      ...{ madeWith: caller.tokenId, endsBy },
    });
    if (!(await markRotated(tx, id, endsAt))) throw rotatedAlready();
    await record(tx, caller.id, "token.rotate", id, JSON.stringify({ replaced_by: row.id }));
    return row;
  });
}

/** By when what is made with `mine`, in the place of `old` if so, must have ended: who must log in again cannot make that needless. */
function boundOf(caller: Caller, mine: TokenRow, old?: TokenRow): string | null {
  if (caller.role === "admin") return null;
  if (old?.id === mine.id) return mine.ends_by;
  const bounds = [mine.expires_at, old?.ends_by].filter((at) => typeof at === "string");
  return bounds.sort()[0] ?? null;
}

const secondsUntil = (instant: string, now: Date): number => (Date.parse(instant) - now.getTime()) / 1000;

const within = (seconds: number, endsBy: string | null, now: Date): number =>
  endsBy === null ? seconds : Math.min(seconds, secondsUntil(endsBy, now));

function requireWithin(seconds: number, endsBy: string | null, now: Date): void {
  if (endsBy === null || seconds <= secondsUntil(endsBy, now)) return;
  const most = Math.floor(secondsUntil(endsBy, now));
  const detail = `must be at most ${most}: your own token ends at ${endsBy}`;
  throw new Problem("invalid_input", `expires_in_s: ${detail}`, {
    errors: [{ field: "expires_in_s", code: "too_big", detail }],
    hint: "an administrator makes one that is good for longer: gpu-dev admin tokens create",
  });
}

async function tell(
  core: Core,
  caller: Caller,
  idempotency: Idempotency | undefined,
  make: (tx: Tx, secret: string) => Promise<TokenRow>,
): Promise<Answer<IssuedToken>> {
  const { made, secret, replayed } = await tellOnce(core, caller, idempotency, async (tx, token) =>
    viewToken(await make(tx, token), tx.now),
  );
  return { body: { ...made, token: secret }, replayed };
}

/** How long the new one is good for, and when the old one ends. */
function rotation(old: TokenRow, now: Date): { lengthS: number; endsAt: string } {
  if (old.expires_at === null)
    throw new Problem("conflict", "the token of a server or of a pod is made anew with these");
  if (old.rotated_at !== null) throw rotatedAlready();
  const state = stateOf(old, now);
  if (state !== "live")
    throw new Problem("conflict", `the token is ${state}`, { hint: "make another: gpu-dev token create" });
  const ends = Date.parse(old.expires_at);
  return {
    lengthS: (ends - Date.parse(old.created_at)) / 1000,
    endsAt: new Date(Math.min(ends, now.getTime() + OVERLAP_MS)).toISOString(),
  };
}

const rotatedAlready = (): Problem =>
  new Problem("conflict", "another token was made in its place already", {
    hint: "rotate that one: gpu-dev token list",
  });

function requireGrant(caller: Caller, scope: Scope): void {
  const mine = caller.role === "admin" || caller.scope !== "admin" ? caller.scope : "user";
  if (GRANTS[mine].includes(scope)) return;
  throw new Problem("not_allowed", `your token, of the scope ${mine}, makes none of the scope ${scope}`, {
    hint: "a token makes no other with more rights than its own; use one that has them",
  });
}

function noAdministrator({ name }: UserRow): Problem {
  const detail = `${name} is no administrator`;
  return new Problem("invalid_input", `scope: ${detail}`, {
    errors: [{ field: "scope", code: "invalid", detail }],
    hint: `gpu-dev admin users role ${name} admin`,
  });
}

async function requireLive(db: Db, userId: string, reservationId: string): Promise<void> {
  const row = await ownReservation(db, { id: userId }, reservationId);
  if (isFinal(row)) throw notActive(row);
}
