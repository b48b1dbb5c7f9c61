/** What is not yours does not exist: both are answered with the same words. */
import { Problem } from "../../api/errors.ts";
import { isSharedWith } from "../../store/collaborators.ts";
import { findReservation } from "../../store/reservations.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { requireVersion, type Versions } from "../versions.ts";
import type { Caller as FullCaller } from "./access.ts";
import { isAdmin } from "./administrators.ts";

export const notFound = (id: string): Problem =>
  new Problem("not_found", `there is no reservation ${id} of yours`, {
    hint: "gpu-dev list shows those that are live",
  });

interface Caller {
  readonly id: string;
  /** The only one that the caller may see. */
  readonly reservationId?: string;
}

/** One that the caller may see: his own, or shared with him. Throws Problem not_found. */
export async function visibleReservation(db: Db, caller: Caller, id: string): Promise<ReservationRow> {
  if (caller.reservationId !== undefined && caller.reservationId !== id) throw notFound(id);
  const row = await findReservation(db, id);
  if (row && (row.owner_id === caller.id || (await isSharedWith(db, id, caller.id)))) return row;
  throw notFound(id);
}

/** One that the caller may see, and for an administrator any. Throws Problem not_found. */
export async function diagnosedReservation(db: Db, caller: FullCaller, id: string): Promise<ReservationRow> {
  return isAdmin(caller) ? anyReservation(db, id) : visibleReservation(db, caller, id);
}

/** Anybody's: for what administrators do. Throws Problem not_found. */
export async function anyReservation(db: Db, id: string): Promise<ReservationRow> {
  const row = await findReservation(db, id);
  if (row) return row;
  throw notFound(id);
}

/**
 * One that the caller may change: his own. Throws Problem not_found, not_allowed for one that he only sees, and precondition_failed for
 * one that is at another version than `at` says.
 */
export async function ownReservation(
  db: Db,
  caller: Caller,
  id: string,
  at?: Versions,
): Promise<ReservationRow> {
  const row = await visibleReservation(db, caller, id);
  if (row.owner_id === caller.id) {
    requireAt(row, at);
    return row;
  }
  throw new Problem(
    "not_allowed",
    `reservation ${row.name ?? id} is shared with you; only its owner changes it`,
  );
}

/** Throws Problem precondition_failed, with its state. */
export const requireAt = (row: ReservationRow, at: Versions): void =>
  requireVersion(row, at, `reservation ${row.name ?? row.id} is ${row.state}`);
