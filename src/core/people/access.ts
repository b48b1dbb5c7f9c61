/** Who may come in: tokens, and tunnels into pods. */
import type { Duplex } from "node:stream";
import { Problem } from "../../api/errors.ts";
import type { Scope } from "../../api/token-routes.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { findToken } from "../../store/tokens.ts";
import { endedProblem, isFinal } from "../change.ts";
import type { Core } from "../core.ts";
import { dialPod } from "../pods/pod.ts";
import { isAdmin } from "./administrators.ts";
import { visibleReservation } from "./ownership.ts";
import { administratorsOnly, notLoggedIn, requireGood, type Use } from "./standing.ts";
import { hashOf, isToken } from "./token.ts";

export interface Caller {
  readonly id: string;
  readonly name: string;
  /** What the token may be used as: "admin" only with an administrator's token of that scope. */
  readonly role: "user" | "admin";
  readonly tokenId: string;
  readonly scope: Scope;
  /** The one reservation that the token is good for. */
  readonly reservationId?: string;
}

/** What a route is open to beside those who have all rights of a user. */
interface Gate {
  /** The token of a pod, or of one reservation. */
  readonly pods?: boolean | undefined;
  /** Administrators, and nobody else. */
  readonly admin?: boolean | undefined;
}

/** Who `token` belongs to, asked anew each time, so that revoking takes effect at once. Throws Problem not_logged_in. */
export function authenticate(core: Core, token: string | undefined): Promise<Caller> {
  return core.store.read(async (db, now) => {
    const caller = await callerOf(db, now, token);
    core.tokenUses.note(caller.tokenId, now);
    return caller;
  });
}

/** Throws Problem not_allowed for a token that is not good for what lies behind this gate. */
export function requireGate(caller: Caller, gate: Gate): void {
  requireUserScope(caller, gate);
  if (gate.admin && caller.role !== "admin") throw administratorsOnly();
}

/** Who may read the metrics: who has a token for that, and administrators. Throws Problem not_allowed. */
export function requireMetrics(caller: Caller): void {
  if (caller.scope !== "metrics" && !isAdmin(caller)) throw administratorsOnly();
}

function requireUserScope({ scope, reservationId }: Caller, { pods = false }: Gate): void {
  if (scope === "metrics")
    throw new Problem("not_allowed", "the token is good for /metrics only", { hint: USE_YOURS });
  if (reservationId === undefined || pods) return;
  throw new Problem("not_allowed", "the token is good for showing and cancelling one reservation only", {
    hint: USE_YOURS,
  });
}

const USE_YOURS = "for all else, use your own token";

/** The same from the snapshot that `db` sees. Throws Problem not_logged_in. */
export async function callerOf(
  db: Db,
  now: Date,
  token: string | undefined,
  use: Use = "new",
): Promise<Caller> {
  if (token === undefined) throw notLoggedIn("a token is needed");
  const found = isToken(token) ? await findToken(db, hashOf(token)) : undefined;
  if (!found) throw notLoggedIn("the token is unknown");
  requireGood(found, now, use);
  const { token: row, user } = found;
  const { id, name, role } = user;
  return {
    id,
    name,
    role: role === "admin" && row.scope === "admin" ? "admin" : "user",
    tokenId: row.id,
    scope: row.scope,
    ...(row.reservation_id ? { reservationId: row.reservation_id } : {}),
  };
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
  const check = (use: Use) =>
    core.store.read(async (db, now) => {
      const checked = await checkTunnel(db, now, token, target, use);
      core.tokenUses.note(checked.caller.tokenId, now);
      return checked;
    });
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
  requireUserScope(caller, {});
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
