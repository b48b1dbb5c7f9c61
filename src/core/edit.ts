/** Changing what is there: cancel, rename, extend. */
import { setTimeout as pause } from "node:timers/promises";
import { exactDuration } from "../api/duration.ts";
import { Problem } from "../api/errors.ts";
import type { PatchReservation, Reservation } from "../api/schemas.ts";
import type { Tx } from "../store/db.ts";
import { claimOne, dropLease } from "../store/leases.ts";
import { nameInUse } from "../store/reservations.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import type { Caller } from "./access.ts";
import { changeReservation, endedProblem, endReservation, isFinal, notActive } from "./change.ts";
import { changeCollaborators } from "./collaborators.ts";
import type { Core } from "./core.ts";
import { updatePods } from "./gang.ts";
import { newId } from "./ids.ts";
import { findGpuType } from "./inventory.ts";
import { getReservation } from "./listing.ts";
import { ownReservation } from "./ownership.ts";
import { bounded, driverWords } from "./pod.ts";
import { decided } from "./race.ts";
import { passedWarning } from "./warnings.ts";

/** With the pause until somebody looks, what a server leaves behind that died here is taken up within 30 s. */
const CLAIM_MS = 25_000;
/** The pod's deadline is moved within the lease. */
const UPDATE_MS = 20_000;
const CLAIM_PAUSE_MS = 50;
const CLAIM_TRIES = 100;

/** Ends it; doing it again answers the same and does nothing. Throws Problem not_found, or not_active when it ended otherwise. */
export async function cancelReservation(core: Core, caller: Caller, id: string): Promise<Reservation> {
  const cancelled = await decided(() =>
    core.store.write(async (tx) => {
      const row = await ownReservation(tx.db, caller, id);
      if (row.end_state === "cancelled") return undefined;
      if (isFinal(row) || row.state === "ending") throw notActive(row);
      return endReservation(tx, row, { actor: caller.id }, "cancelled", cancelledBy(caller));
    }),
  );
  if (cancelled) {
    core.signals.emit("ended", id, endedProblem(cancelled));
    core.signals.emit("wake");
  }
  return getReservation(core, caller, id);
}

const cancelledBy = ({ reservationId }: Caller): string =>
  reservationId === undefined ? "cancelled by its owner" : "cancelled from inside its pod";

/** Renames, extends, or both; or shares. Throws Problem not_found, name_taken, not_active, over_maximum, and those of changeCollaborators. */
export async function patchReservation(
  core: Core,
  caller: Caller,
  id: string,
  patch: PatchReservation,
): Promise<Reservation> {
  const { name, extend_s, add_users = [], remove_users = [] } = patch;
  if (add_users.length + remove_users.length > 0) {
    await changeCollaborators(core, caller, id, add_users, remove_users);
    return getReservation(core, caller, id);
  }
  if (extend_s === undefined) await renameOnly(core, caller, id, name);
  else await decided(() => extend(core, caller, id, extend_s, name));
  return getReservation(core, caller, id);
}

/** Under the schedule lock, as creating is: so that two cannot take the same name at the same moment. */
function renameOnly(core: Core, caller: Caller, id: string, name: string | undefined): Promise<unknown> {
  return decided(() =>
    core.store.write(async (tx) => rename(tx, await ownReservation(tx.db, caller, id), caller, name), {
      lock: "schedule",
    }),
  );
}

async function rename(
  tx: Tx,
  row: ReservationRow,
  caller: Caller,
  name: string | undefined,
): Promise<ReservationRow> {
  if (isFinal(row) || row.state === "ending") throw notActive(row);
  if (name === undefined || name === row.name) return row;
  if (await nameInUse(tx.db, row.owner_id, name, row.id))
    throw new Problem("name_taken", `you have a live reservation called ${name} already`, {
      hint: "choose another name",
    });
  return changeReservation(tx, row, { actor: caller.id }, { type: "renamed", detail: name }, { name });
}

/**
 * The pod's own deadline moves first: one that is too late does no harm, since the reconciler ends it by `ends_at`. The
 * lease keeps others from moving it at the same time.
 */
async function extend(
  core: Core,
  caller: Caller,
  id: string,
  extendS: number,
  name: string | undefined,
): Promise<void> {
  const owner = newId();
  const row = await claim(core, caller, id, owner, extendS);
  try {
    const newEnd = Date.parse(row.ends_at ?? "") + extendS * 1000;
    const now = await core.store.now();
    await movePodDeadline(core, row, Math.ceil((newEnd - now.getTime()) / 1000));
    await core.store.write((tx) => writeExtension(tx, row, caller, owner, extendS, name), {
      lock: "schedule",
    });
  } finally {
    await core.store.write((tx) => dropLease(tx, owner, id));
  }
}

async function claim(
  core: Core,
  caller: Caller,
  id: string,
  owner: string,
  extendS: number,
): Promise<ReservationRow> {
  for (let tried = 0; tried < CLAIM_TRIES; tried++) {
    if (tried > 0) await pause(CLAIM_PAUSE_MS);
    const row = await core.store.write(async (tx) => {
      await checkExtension(core, tx.db, await ownReservation(tx.db, caller, id), extendS, tx.now);
      const mine = await claimOne(tx, { owner, ms: CLAIM_MS }, id);
      // It may have changed between the two statements; what is checked again is nobody else's now.
      if (mine) await checkExtension(core, tx.db, mine, extendS, tx.now);
      return mine;
    });
    if (row) return row;
  }
  throw new Problem("unavailable", "the reservation is being worked on; try again", { retryAfter: 1 });
}

/** The largest extension is named, so that the next try fits. */
async function checkExtension(
  core: Core,
  db: Db,
  row: ReservationRow,
  extendS: number,
  now: Date,
): Promise<void> {
  if (row.state !== "active" || Date.parse(row.ends_at ?? "") <= now.getTime()) throw notActive(row);
  const most = (await findGpuType(core, db, row.gpu_type))?.max_duration_s ?? row.duration_s;
  const left = most - row.duration_s;
  if (extendS <= left) return;
  const [max, has] = [exactDuration(most), exactDuration(row.duration_s)];
  const largest = left <= 0 ? "it cannot be extended" : `at most ${exactDuration(left)} more is possible`;
  throw new Problem(
    "over_maximum",
    `${row.gpu_type} is given for at most ${max} in all, this has ${has}: ${largest}`,
    {
      errors: [{ field: "extend_s", code: "too_big", detail: `at most ${Math.max(0, left)}` }],
    },
  );
}

async function movePodDeadline(core: Core, row: ReservationRow, deadlineS: number): Promise<void> {
  try {
    // What was said about the old end is taken back.
    const notice = row.warned_s === null ? {} : { notice: "" };
    await bounded("update", updatePods(core.driver, row, { deadlineS, ...notice }), UPDATE_MS);
  } catch (cause) {
    const words = driverWords(cause);
    if (words === undefined) throw cause;
    throw new Problem("unavailable", `the pod's deadline could not be moved: ${words}`, {
      retryAfter: 2,
      cause,
    });
  }
}

async function writeExtension(
  tx: Tx,
  row: ReservationRow,
  caller: Caller,
  owner: string,
  extendS: number,
  name: string | undefined,
): Promise<void> {
  const renamed = await rename(tx, row, caller, name);
  const end = Date.parse(row.ends_at ?? "") + extendS * 1000;
  const ends_at = new Date(end).toISOString();
  await changeReservation(
    tx,
    renamed,
    { actor: caller.id, leasedBy: owner },
    { type: "extended", detail: `by ${exactDuration(extendS)}, until ${ends_at}` },
    {
      duration_s: row.duration_s + extendS,
      ends_at,
      warned_s: passedWarning((end - tx.now.getTime()) / 1000),
    },
  );
}
