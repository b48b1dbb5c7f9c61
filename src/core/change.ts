/** Changes of a reservation: row, history and audit trail together, or nothing (L-01). */
import { Problem } from "../api/errors.ts";
import { FINAL_STATES } from "../api/reservations.ts";
import type { Tx } from "../store/db.ts";
import { insertEvent } from "../store/journal.ts";
import { updateReservation } from "../store/reservations.ts";
import { deleteSecrets } from "../store/secrets.ts";
import type { ReservationRow } from "../store/tables.ts";
import { deleteTokensOf } from "../store/tokens.ts";
import { insertDelivery, webhooksOf } from "../store/webhooks.ts";
import { record } from "./audit/record.ts";
import { handOver } from "./disks/hold.ts";
import { newId } from "./ids.ts";
import type { FinalState } from "./lifecycle.ts";
import { giveBack, markHeld } from "./planning/plan-marks.ts";
import { bookUse } from "./planning/share.ts";

/** The row is not as it was when this was decided: undo, read again, decide again. */
export class LostRace extends Error {
  override readonly name = "LostRace";
}

export interface Writer {
  /** A user's id, "system", or "pod" for whoever is in the pod of what is changed. */
  readonly actor: string;
  /** The lease under which it writes, if it does. */
  readonly leasedBy?: string | undefined;
}

export const SYSTEM = "system";
export const POD = "pod";

/** The entries of the history of which a webhook is told. */
const POSTED: readonly string[] = [
  "preparing",
  "active",
  "warned",
  "lifted",
  "idle",
  "delayed",
  "requeued",
  ...FINAL_STATES,
];

/** One change of `row`, which grows its version by one. Throws LostRace when the row has changed since it was read. */
export async function changeReservation(
  tx: Tx,
  row: ReservationRow,
  by: Writer,
  event: { readonly type: string; readonly detail: string | null },
  set: Partial<ReservationRow>,
): Promise<ReservationRow> {
  const moved = set.state !== undefined && set.state !== row.state;
  const changed = await updateReservation(
    tx,
    { id: row.id, version: row.version, leasedBy: by.leasedBy },
    { ...set, version: row.version + 1, ...(moved ? { state_since: tx.at } : {}) },
  );
  if (!changed) throw new LostRace(`reservation ${row.id} is not at version ${row.version} any more`);
  await recordChange(tx, changed, by.actor, event);
  return changed;
}

/** The history entry and the audit entry of a change that has been written. */
export async function recordChange(
  tx: Tx,
  row: ReservationRow,
  actor: string,
  event: { readonly type: string; readonly detail: string | null },
): Promise<void> {
  const { type, detail } = event;
  await insertEvent(tx, {
    reservation_id: row.id,
    version: row.version,
    at: tx.at,
    type,
    state: row.state,
    detail,
  });
  await record(tx, actor, `reservation.${type}`, row.id, detail);
  if (POSTED.includes(type)) await post(tx, row, type, detail);
}

/** What its webhook is told, as an entry of the history; sent once this transaction is committed. */
async function post(tx: Tx, row: ReservationRow, event: string, detail: string | null): Promise<void> {
  if ((await webhooksOf(tx.db, [row.id])).length === 0) return;
  const { id: reservation_id, version } = row;
  const delivery = { id: newId(), reservation_id, version, event, detail, at: tx.at };
  await insertDelivery(tx, { ...delivery, tries: 0, next_try_at: tx.at });
}

/** Towards `as`: through `ending` if a pod may be there, at once if none was asked for. */
export async function endReservation(
  tx: Tx,
  row: ReservationRow,
  by: Writer,
  as: FinalState,
  reason: string,
): Promise<ReservationRow> {
  if (row.state === "queued") return finishReservation(tx, { ...row, end_state: as, reason }, by);
  await markHeld(tx, row);
  return changeReservation(
    tx,
    row,
    by,
    { type: "ending", detail: reason },
    {
      state: "ending",
      ending_at: tx.at,
      end_state: as,
      reason,
      last_error: null,
      ghost_since: null,
      next_step_at: tx.at,
    },
  );
}

/** The final state that the row names; its GPUs are free and its keys are gone with it; its disk is kept as it is until that is safe. */
export async function finishReservation(tx: Tx, row: ReservationRow, by: Writer): Promise<ReservationRow> {
  const state = row.end_state;
  if (state === null) throw new Error(`reservation ${row.id} ends without saying how`);
  await giveBack(tx, row);
  await deleteSecrets(tx, row.id);
  await deleteTokensOf(tx, row.id);
  await bookUse(tx, row);
  await handOver(tx, row, by.actor);
  return changeReservation(
    tx,
    row,
    by,
    { type: state, detail: row.reason },
    {
      state,
      end_state: state,
      reason: row.reason,
      ended_at: tx.at,
      disk_held: 0,
      waits_for_quota: 0,
      last_error: null,
      next_step_at: null,
      leased_by: null,
      leased_until: null,
    },
  );
}

export const isFinal = ({ state }: Pick<ReservationRow, "state">): boolean =>
  (FINAL_STATES as readonly string[]).includes(state);

/** What cannot be done any more, or not yet. */
export function notActive(row: ReservationRow): Problem {
  const why = row.reason === null ? "" : `: ${row.reason}`;
  return new Problem("not_active", `reservation ${row.name ?? row.id} is ${row.state}${why}`);
}

/** What who comes too late is told: that it ended, when and why. */
export function endedProblem(row: ReservationRow): Problem {
  const how = row.end_state ?? "ended";
  const when = row.ended_at ?? row.state_since;
  const called = row.name ?? row.id;
  return new Problem(
    "reservation_ended",
    `reservation ${called} ended at ${when} (${how}): ${row.reason ?? how}`,
    {
      hint: "reserve a new one: gpu-dev reserve",
    },
  );
}
