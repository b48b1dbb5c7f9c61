/** What the steps of a reservation share: who takes them, what they lead to, and how they note a fact. */
import type { Tx } from "../../store/db.ts";
import { updateReservation } from "../../store/reservations.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { LostRace, type Writer } from "../change.ts";
import type { Core } from "../core.ts";
import type { Facts } from "../lifecycle.ts";

/** A reservation that this process works on under a lease. */
export interface Work {
  readonly core: Core;
  readonly by: Writer & { readonly leasedBy: string };
  readonly signal: AbortSignal;
}

export interface Progress {
  readonly row: ReservationRow;
  readonly facts: Facts;
  /** It waits: the lease is given back. */
  readonly paused?: true;
}

/** Columns that are no change of state: the version stays, so that it counts the entries of the history. */
export async function note(
  { core, by }: Work,
  row: ReservationRow,
  set: (tx: Tx) => Partial<ReservationRow> | Promise<Partial<ReservationRow>>,
): Promise<ReservationRow> {
  const noted = await core.store.write(async (tx) =>
    updateReservation(tx, { id: row.id, version: row.version, leasedBy: by.leasedBy }, await set(tx)),
  );
  if (!noted) throw new LostRace(`reservation ${row.id} changed meanwhile`);
  return noted;
}
