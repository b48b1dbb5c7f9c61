/** Moving the end of an active reservation. */
import { setTimeout as pause } from "node:timers/promises";
import { exactDuration } from "../api/duration.ts";
import { Problem } from "../api/errors.ts";
import type { Tx } from "../store/db.ts";
import { claimOne, dropLease } from "../store/leases.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { changeReservation, notActive, type Writer } from "./change.ts";
import type { Core } from "./core.ts";
import { newId } from "./ids.ts";
import type { Caller } from "./people/access.ts";
import { ownReservation } from "./people/ownership.ts";
import { updatePods } from "./planning/gang.ts";
import { markHeld } from "./planning/plan-marks.ts";
import { type Room, roomOf } from "./planning/room.ts";
import { bounded, driverWords } from "./pods/pod.ts";
import { passedWarning } from "./pods/warnings.ts";

/** With the pause until somebody looks, what a server leaves behind that died here is taken up within 30 s. */
const CLAIM_MS = 15_000;
/** The pod's deadline is moved within the lease. */
const UPDATE_MS = 10_000;
const CLAIM_PAUSE_MS = 50;
const CLAIM_TRIES = 100;

/** Seconds, or as many as there are. */
export type Extension = number | "max";

/** What else is changed in the same transaction; throws when it cannot be. */
type Also = (tx: Tx, row: ReservationRow) => Promise<ReservationRow>;

/**
 * The pod's own deadline moves first: one that is too late does no harm, since the reconciler ends it by `ends_at`. The
 * lease keeps others from moving it at the same time. Throws Problem not_found, not_active, over_maximum, over_promise,
 * unavailable, and LostRace.
 */
export async function extend(
  core: Core,
  caller: Caller,
  id: string,
  wish: Extension,
  also: Also,
): Promise<void> {
  const owner = newId();
  const { row, seconds } = await claim(core, caller, id, owner, wish);
  try {
    const newEnd = Date.parse(row.ends_at ?? "") + seconds * 1000;
    const now = await core.store.now();
    await movePodDeadline(core, row, Math.ceil((newEnd - now.getTime()) / 1000));
    await core.store.write(
      async (tx) => {
        // Others may have been promised a start meanwhile; of all that there was, a part may be left.
        const left = await allowed(core, tx.db, row, wish === "max" ? wish : seconds, tx.now);
        await writeExtension(
          tx,
          await also(tx, row),
          { actor: caller.id, leasedBy: owner },
          Math.min(left, seconds),
        );
        // With it, so that nobody is told "try again" of what is done.
        await dropLease(tx, owner, id);
      },
      { lock: "schedule" },
    );
  } catch (error) {
    await giveUp(core, id, owner);
    throw error;
  }
}

/** Drops the lease if that can be done; otherwise it runs out. */
async function giveUp(core: Core, id: string, owner: string): Promise<void> {
  try {
    await core.store.write((tx) => dropLease(tx, owner, id));
  } catch (err) {
    core.log(
      "warn",
      { err, reservation: id },
      "the lease of an extension that failed stays until it runs out",
    );
  }
}

/** The row under a lease, and the seconds that it may get. */
async function claim(core: Core, caller: Caller, id: string, owner: string, wish: Extension) {
  for (let tried = 0; tried < CLAIM_TRIES; tried++) {
    if (tried > 0) await pause(CLAIM_PAUSE_MS);
    const claimed = await core.store.write(async (tx) => {
      checkActive(await ownReservation(tx.db, caller, id), tx.now);
      const row = await claimOne(tx, { owner, ms: CLAIM_MS }, id);
      // It may have changed between the two statements; what is checked again is nobody else's now.
      return row && { row, seconds: await allowed(core, tx.db, row, wish, tx.now) };
    });
    if (claimed) return claimed;
  }
  throw new Problem("unavailable", "the reservation is being worked on; try again", { retryAfter: 1 });
}

function checkActive(row: ReservationRow, now: Date): void {
  if (row.state !== "active" || Date.parse(row.ends_at ?? "") <= now.getTime()) throw notActive(row);
}

/** The seconds that are wished for, or all that there are. Throws with the largest possible extension, so that the next try fits. */
async function allowed(core: Core, db: Db, row: ReservationRow, wish: Extension, now: Date): Promise<number> {
  checkActive(row, now);
  const room = await roomOf(core, db, row, now);
  const most = Math.min(room.byType, room.byPromises);
  const wished = wish === "max" ? Math.max(1, most) : wish;
  if (wished <= most) return wished;
  // The tighter of the two is why no more is possible, also where the other one refuses as well.
  throw room.byPromises < room.byType ? overPromise(row, room) : overMaximum(row, room);
}

function overMaximum(row: ReservationRow, { byType, maximumS }: Room): Problem {
  const [max, has] = [exactDuration(maximumS), exactDuration(row.duration_s)];
  return new Problem(
    "over_maximum",
    `${row.gpu_type} is given for at most ${max} in all, this has ${has}: ${possible(byType)}`,
    tooBig(byType),
  );
}

function overPromise(row: ReservationRow, { byPromises }: Room): Problem {
  const latest = new Date(Date.parse(row.ends_at ?? "") + byPromises * 1000).toISOString();
  return new Problem(
    "over_promise",
    `its GPUs are promised to others: it can last until ${latest}, ${possible(byPromises)}`,
    {
      ...tooBig(byPromises),
      ...(byPromises > 0 ? { hint: "take all that there is: gpu-dev edit NAME --extend max" } : {}),
    },
  );
}

const possible = (seconds: number): string =>
  seconds <= 0 ? "it cannot be extended" : `at most ${exactDuration(seconds)} more is possible`;

const tooBig = (most: number) => ({
  errors: [{ field: "extend_s", code: "too_big", detail: `at most ${Math.max(0, most)}` }],
});

async function movePodDeadline(core: Core, row: ReservationRow, deadlineS: number): Promise<void> {
  try {
    // What was said about the old end is taken back.
    const notice = row.warned_s === null ? {} : { endNotice: "" };
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

async function writeExtension(tx: Tx, row: ReservationRow, by: Writer, seconds: number): Promise<void> {
  const end = Date.parse(row.ends_at ?? "") + seconds * 1000;
  const ends_at = new Date(end).toISOString();
  await markHeld(tx, row);
  await changeReservation(
    tx,
    row,
    by,
    { type: "extended", detail: `by ${exactDuration(seconds)}, until ${ends_at}` },
    {
      duration_s: row.duration_s + seconds,
      ends_at,
      warned_s: passedWarning((end - tx.now.getTime()) / 1000),
    },
  );
}
