/** Who may come in: tokens, and tunnels into pods. */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import { Problem } from "../../api/errors.ts";
import type { Store } from "../../store/db.ts";
import { insertAudit } from "../../store/journal.ts";
import type { Db, ReservationRow, UserRow } from "../../store/tables.ts";
import * as users from "../../store/users.ts";
import { endedProblem, isFinal, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { dialPod } from "../pods/pod.ts";
import { visibleReservation } from "./ownership.ts";
import { hashOf, isToken, tokenOf } from "./token.ts";

export interface Caller {
  readonly id: string;
  readonly name: string;
  readonly role: "user" | "admin";
  readonly tokenId: string;
  /** The one reservation that the token is good for: it is that of its pod. */
  readonly reservationId?: string;
}

const LOCAL = "local";

/**
 * Who `token` belongs to, asked anew each time, so that revoking takes effect at once. Throws Problem not_logged_in, and not_allowed
 * for the token of a pod, unless this is something that `pods` may do.
 */
export async function authenticate(
  core: Core,
  token: string | undefined,
  { pods = false } = {},
): Promise<Caller> {
  const caller = await core.store.read((db, now) => callerOf(db, now, token));
  if (!pods) refusePods(caller);
  return caller;
}

function refusePods({ reservationId }: Caller): void {
  if (reservationId === undefined) return;
  throw new Problem(
    "not_allowed",
    "the token of a pod is good for showing and cancelling its own reservation only",
    {
      hint: "elsewhere, and for all else, use your own token",
    },
  );
}

/** What a token is for: something new, or something that goes on and was allowed before. */
type Use = "new" | "going on";

/** The same from the snapshot that `db` sees. Throws Problem not_logged_in. */
export async function callerOf(
  db: Db,
  now: Date,
  token: string | undefined,
  use: Use = "new",
): Promise<Caller> {
  if (token === undefined) throw notLoggedIn("a token is needed");
  const found = isToken(token) ? await users.findToken(db, hashOf(token)) : undefined;
  if (!found) throw notLoggedIn("the token is unknown");
  const { token: row, user } = found;
  if (row.revoked_at !== null) throw notLoggedIn(`the token was revoked at ${row.revoked_at}`);
  if (row.expires_at !== null && Date.parse(row.expires_at) <= now.getTime())
    throw notLoggedIn(`the token expired at ${row.expires_at}`);
  // A server that was restarted has taken nothing away from its user.
  if (row.replaced_at !== null && use === "new")
    throw notLoggedIn(`the token's server went at ${row.replaced_at}; the one that runs now has another`);
  const { id, name, role } = user;
  return {
    id,
    name,
    role,
    tokenId: row.id,
    ...(row.reservation_id ? { reservationId: row.reservation_id } : {}),
  };
}

/** The administrator that `token` belongs to. Throws Problem not_logged_in, or not_allowed for anybody else. */
export async function authenticateAdmin(core: Core, token: string | undefined): Promise<Caller> {
  const caller = await authenticate(core, token);
  if (caller.role === "admin") return caller;
  throw new Problem("not_allowed", "only an administrator may see this", {
    hint: "use an administrator's token",
  });
}

const notLoggedIn = (why: string): Problem =>
  new Problem("not_logged_in", why, {
    hint: "on the machine of the server its user needs no token; elsewhere set GPU_DEV_TOKEN",
  });

/** Adds a user. Throws Problem name_taken. */
export async function createUser(core: Core, name: string, role: UserRow["role"]): Promise<UserRow> {
  return core.store.write(async (tx) => {
    const made = await users.insertUser(tx, { id: newId(), name, role, created_at: tx.at });
    if (!made) throw new Problem("name_taken", `there is a user ${name} already`);
    await insertAudit(tx, audit(tx.at, "user.create", made.id));
    return made;
  });
}

/** A new token of 256 random bits; only its hash is kept, so this is the one time that it can be read. */
export function issueToken(
  core: Core,
  userId: string,
  given: { readonly label: string; readonly ttlS?: number; readonly server?: string },
): Promise<{ id: string; token: string }> {
  const token = tokenOf(randomBytes(32));
  const id = newId();
  return core.store.write(async (tx) => {
    const expires_at =
      given.ttlS === undefined ? null : new Date(tx.now.getTime() + given.ttlS * 1000).toISOString();
    await users.insertToken(tx, {
      id,
      user_id: userId,
      hash: hashOf(token),
      label: given.label,
      created_at: tx.at,
      expires_at,
      revoked_at: null,
      server: given.server ?? null,
      replaced_at: null,
      reservation_id: null,
    });
    await insertAudit(tx, audit(tx.at, "token.create", id));
    return { id, token };
  });
}

/** Doing it again does nothing. */
export function revokeToken(core: Core, tokenId: string): Promise<void> {
  return core.store.write(async (tx) => {
    if (await users.revokeToken(tx, tokenId)) await insertAudit(tx, audit(tx.at, "token.revoke", tokenId));
  });
}

const audit = (at: string, action: string, subject: string) => ({
  id: newId(),
  at,
  actor: SYSTEM,
  action,
  subject,
  detail: null,
});

/** The administrator of this name, made if there is none, with a fresh token that is good while `server` serves. */
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
    const made = await users.insertUser(tx, { id: newId(), name, role: "admin", created_at: tx.at });
    const user = made ?? (await users.findUserByName(tx.db, name));
    if (user?.role !== "admin") throw new Error(`there is a user ${name} who is no administrator`);
    if (made) await insertAudit(tx, audit(tx.at, "user.create", made.id));
    return user;
  });
}

export interface TunnelTarget {
  readonly reservation: string;
  readonly node: number;
  readonly port: number;
}

export interface Admission {
  readonly userId: string;
  readonly reservationId: string;
  /** Throws Problem pod_unreachable. */
  dial(): Promise<Duplex>;
  /** Why the tunnel may not go on; undefined while it may. */
  recheck(): Promise<Problem | undefined>;
}

/** Only the owner and the collaborators of an active reservation get in; for all others it does not exist, administrators included. */
export async function admitTunnel(
  core: Core,
  token: string | undefined,
  target: TunnelTarget,
): Promise<Admission> {
  const check = (use: Use) => core.store.read((db, now) => checkTunnel(db, now, token, target, use));
  const { caller, row } = await check("new");
  return {
    userId: caller.id,
    reservationId: row.id,
    dial: () => dialPod(core, row, target.port, target.node),
    recheck: () => check("going on").then(() => undefined, refusal),
  };
}

/** A database that cannot be asked is no reason to cut a tunnel: the next check comes soon. */
function refusal(error: unknown): Problem | undefined {
  if (!(error instanceof Problem)) throw error;
  return error.code === "unavailable" ? undefined : error;
}

async function checkTunnel(
  db: Db,
  now: Date,
  token: string | undefined,
  target: TunnelTarget,
  use: Use,
): Promise<{ caller: Caller; row: ReservationRow }> {
  const caller = await callerOf(db, now, token, use);
  refusePods(caller);
  const row = await visibleReservation(db, caller, target.reservation);
  if (target.node >= row.node_count) throw noSuchNode(row);
  if (isFinal(row) || row.state === "ending") throw endedProblem(row);
  if (row.state !== "active")
    throw new Problem("not_ready", `reservation ${row.name ?? row.id} is ${row.state}${because(row)}`, {
      hint: "it becomes active when ssh works; follow it with gpu-dev list --watch",
      retryAfter: 1,
    });
  return { caller, row };
}

function noSuchNode(row: ReservationRow): Problem {
  const nodes = row.node_count === 1 ? "one node, number 0" : `nodes 0 to ${row.node_count - 1}`;
  return new Problem("not_found", `reservation ${row.id} has ${nodes}`);
}

const because = (row: ReservationRow): string => {
  const why = row.last_error ?? row.reason;
  return why === null ? "" : `: ${why}`;
};
