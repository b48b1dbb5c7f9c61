/** Changing what is there: cancel, rename, extend. */
import { Problem } from "../api/errors.ts";
import type { PatchReservation, Reservation } from "../api/reservations.ts";
import type { Tx } from "../store/db.ts";
import { findReservation, nameInUse } from "../store/reservations.ts";
import type { ReservationRow } from "../store/tables.ts";
import { changeReservation, endedProblem, endReservation, isFinal, notActive, POD } from "./change.ts";
import { changeCollaborators } from "./collaborators.ts";
import type { Core } from "./core.ts";
import { extend, owner } from "./extend.ts";
import { getReservation } from "./listing.ts";
import type { Caller } from "./people/access.ts";
import { ownReservation, requireAt } from "./people/ownership.ts";
import { decided } from "./race.ts";
import type { Target, Versions } from "./versions.ts";
import { checkWebhook, setWebhook } from "./webhooks/webhooks.ts";

/** Ends it; doing it again answers the same and does nothing. Throws Problem not_found, precondition_failed, or not_active when it ended otherwise. */
export async function cancelReservation(
  core: Core,
  caller: Caller,
  id: string,
  at?: Versions,
): Promise<Reservation> {
  const { actor, reason } = canceller(caller);
  await cancel(core, actor, reason, async (tx) => {
    const row = await ownReservation(tx.db, caller, id);
    if (row.end_state === "cancelled") return undefined;
    requireAt(row, at);
    if (isFinal(row) || row.state === "ending") throw notActive(row);
    return row;
  });
  return getReservation(core, caller, id);
}

/** Ends somebody else's, for an administrator; one that is ending or over stays as it is. */
export const cancelFor = (core: Core, by: Caller, id: string, reason: string): Promise<void> =>
  cancel(core, by.id, reason, async (tx) => {
    const row = await findReservation(tx.db, id);
    return row && !isFinal(row) && row.state !== "ending" ? row : undefined;
  });

async function cancel(
  core: Core,
  actor: string,
  reason: string,
  find: (tx: Tx) => Promise<ReservationRow | undefined>,
): Promise<void> {
  const cancelled = await decided(() =>
    core.store.write(async (tx) => {
      const row = await find(tx);
      return row && endReservation(tx, row, { actor }, "cancelled", reason);
    }),
  );
  if (!cancelled) return;
  core.signals.emit("ended", cancelled.id, endedProblem(cancelled));
  core.signals.emit("wake");
}

/** Whoever is in the pod has its token: that need not be its owner. */
const canceller = ({ id, scope }: Caller): { actor: string; reason: string } =>
  scope === "pod"
    ? { actor: POD, reason: "cancelled from inside its pod" }
    : { actor: id, reason: "cancelled by its owner" };

/** Renames, extends, sets the webhook; or shares. Throws Problem not_found, precondition_failed, name_taken, and those of extend and changeCollaborators. */
export async function patchReservation(
  core: Core,
  caller: Caller,
  id: string,
  patch: PatchReservation,
  at?: Versions,
): Promise<Reservation> {
  const { extend_s, extend_max, add_users = [], remove_users = [] } = patch;
  if (add_users.length + remove_users.length > 0) {
    await changeCollaborators(core, caller, { id, at }, add_users, remove_users);
    return getReservation(core, caller, id);
  }
  const wish = extend_max ? "max" : extend_s;
  if (patch.webhook) checkWebhook(core, patch.webhook);
  const also = (tx: Tx, row: ReservationRow) => changeOthers(tx, row, caller, patch);
  if (wish === undefined) await changeOnly(core, caller, { id, at }, also);
  else await decided(() => extend(core, owner(core, caller, at), id, wish, also));
  return getReservation(core, caller, id);
}

/** Under the schedule lock, as creating is: so that two cannot take the same name at the same moment. */
function changeOnly(
  core: Core,
  caller: Caller,
  { id, at }: Target,
  change: (tx: Tx, row: ReservationRow) => Promise<unknown>,
): Promise<unknown> {
  return decided(() =>
    core.store.write(async (tx) => change(tx, await ownReservation(tx.db, caller, id, at)), {
      lock: "schedule",
    }),
  );
}

/** All but the end. */
async function changeOthers(
  tx: Tx,
  row: ReservationRow,
  caller: Caller,
  { name, webhook }: PatchReservation,
): Promise<ReservationRow> {
  if (isFinal(row) || row.state === "ending") throw notActive(row);
  const renamed = await rename(tx, row, caller, name);
  return webhook === undefined ? renamed : setWebhook(tx, renamed, caller, webhook);
}

async function rename(
  tx: Tx,
  row: ReservationRow,
  caller: Caller,
  name: string | undefined,
): Promise<ReservationRow> {
  if (name === undefined || name === row.name) return row;
  if (await nameInUse(tx.db, row.owner_id, name, row.id))
    throw new Problem("name_taken", `you have a live reservation called ${name} already`, {
      hint: "choose another name",
    });
  return changeReservation(tx, row, { actor: caller.id }, { type: "renamed", detail: name }, { name });
}
