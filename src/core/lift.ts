/** Lifting the maximum of one reservation: an administrator gives it a later end, and says why (L-20). */
import { exactDuration } from "../api/duration.ts";
import { Problem } from "../api/errors.ts";
import type { LiftedReservation, LiftReservation } from "../api/lift.ts";
import { MAX_DURATION_S } from "../api/reservations.ts";
import type { ReservationRow } from "../store/tables.ts";
import { userNames } from "../store/users.ts";
import type { Core } from "./core.ts";
import { type Extender, extend } from "./extend.ts";
import type { Caller } from "./people/access.ts";
import { requireAdmin } from "./people/administrators.ts";
import { anyReservation } from "./people/ownership.ts";
import type { Bound } from "./planning/room.ts";
import { decided } from "./race.ts";

/**
 * The type's maximum does not bound it, nor does a quota; the promises made to others do. The owner finds it in the history, and is
 * told by the webhook. Throws Problem not_allowed, not_found, not_active, over_promise, over_maximum, invalid_input, unavailable.
 */
export async function liftMaximum(
  core: Core,
  caller: Caller,
  id: string,
  { until, extend_s, reason }: LiftReservation,
): Promise<LiftedReservation> {
  requireAdmin(caller, "only administrators lift the maximum of a reservation");
  const wish = until === undefined ? (extend_s ?? 0) : { until };
  await decided(() => extend(core, administrator(caller, reason), id, wish));
  return core.store.read(async (db) => {
    const { owner_id, name, duration_s, ends_at } = await anyReservation(db, id);
    const owner = (await userNames(db, [owner_id])).get(owner_id) ?? "";
    return { id, name, owner, duration_s, ends_at };
  });
}

const administrator = (caller: Caller, reason: string): Extender => ({
  actor: caller.id,
  find: anyReservation,
  bounds: async (_db, row) => [lastBound(row)],
  all: (latest) => `give it that end: --until ${latest}`,
  event: (words) => ({ type: "lifted", detail: `${words}, by an administrator: ${reason}` }),
});

/** What nobody lifts. */
function lastBound(row: ReservationRow): Bound {
  const detail = `no reservation lasts longer than ${exactDuration(MAX_DURATION_S)} in all`;
  return {
    mostS: MAX_DURATION_S - row.duration_s,
    refusal: () => new Problem("over_maximum", detail),
  };
}
