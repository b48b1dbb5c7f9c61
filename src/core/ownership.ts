/** What is not yours does not exist: both are answered with the same words. */
import { Problem } from "../api/errors.ts";
import { findReservation } from "../store/reservations.ts";
import type { Db, ReservationRow } from "../store/tables.ts";

export const notFound = (id: string): Problem =>
  new Problem("not_found", `there is no reservation ${id} of yours`, {
    hint: "gpu-dev list shows those that are live",
  });

/** The caller's reservation. Throws Problem not_found. */
export async function ownReservation(
  db: Db,
  caller: { readonly id: string },
  id: string,
): Promise<ReservationRow> {
  const row = await findReservation(db, id);
  if (!row || row.owner_id !== caller.id) throw notFound(id);
  return row;
}
