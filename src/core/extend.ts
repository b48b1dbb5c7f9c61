/** Moving the end of an active reservation. */
import { setTimeout as pause } from "node:timers/promises";
import { exactDuration } from "../api/duration.ts";
import { Problem } from "../api/errors.ts";
import type { Tx } from "../store/db.ts";
import { claimOne, dropLease } from "../store/leases.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { changeReservation, notActive } from "./change.ts";
import type { Core } from "./core.ts";
import { newId } from "./ids.ts";
import type { Caller } from "./people/access.ts";
import { ownReservation } from "./people/ownership.ts";
import { updatePods } from "./planning/gang.ts";
import { markHeld } from "./planning/plan-marks.ts";
import { type Bound, promiseBound, typeBound } from "./planning/room.ts";
import { bounded, driverWords } from "./pods/pod.ts";
import { passedWarning } from "./pods/warnings.ts";
import { quotaBounds } from "./quotas/check.ts";
import type { Versions } from "./versions.ts";

/** With the pause until somebody looks, what a server leaves behind that died here is taken up within 30 s. */
const CLAIM_MS = 15_000;
/** The pod's deadline is moved within the lease. */
const UPDATE_MS = 10_000;
const CLAIM_PAUSE_MS = 50;
const CLAIM_TRIES = 100;

/** Seconds, as many as there are, or as many as it takes to last until an instant. */
export type Extension = number | "max" | { readonly until: string };

/** Who moves the end, and by which rules. */
export interface Extender {
  readonly actor: string;
  /** Throws Problem for one that is none of theirs. */
  find(db: Db, id: string): Promise<ReservationRow>;
  /** What bounds it beside the promises made to others; one at least. */
  bounds(db: Db, row: ReservationRow, now: Date): Promise<readonly Bound[]>;
  /** How to take all that there is until an instant. */
  all(latest: string): string;
  /** The entry of the history. */
  event(words: string): { readonly type: string; readonly detail: string };
}

/** The owner, who has what the type and the quotas allow, of a reservation that is at one of these versions. */
export const owner = (core: Core, caller: Caller, at: Versions): Extender => ({
  actor: caller.id,
  find: (db, id) => ownReservation(db, caller, id, at),
  bounds: async (db, row, now) => [await typeBound(core, db, row), ...(await quotaBounds(db, row, now))],
  all: () => "take all that there is: gpu-dev edit NAME --extend max",
  event: (detail) => ({ type: "extended", detail }),
});

/** What else is changed in the same transaction; throws when it cannot be. */
type Also = (tx: Tx, row: ReservationRow) => Promise<ReservationRow>;

/**
 * The pod's own deadline moves first: one that is too late does no harm, since the reconciler ends it by `ends_at`. The
 * lease keeps others from moving it at the same time. Throws Problem not_found, precondition_failed, not_active, over_maximum, over_promise,
 * over_quota, unavailable, and LostRace.
 */
export async function extend(
  core: Core,
  by: Extender,
  id: string,
  wish: Extension,
  also: Also = async (_tx, row) => row,
): Promise<void> {
  const leasedBy = newId();
  const { row, seconds } = await claim(core, by, id, leasedBy, wish);
  try {
    const newEnd = Date.parse(row.ends_at ?? "") + seconds * 1000;
    const now = await core.store.now();
    await movePodDeadline(core, row, Math.ceil((newEnd - now.getTime()) / 1000));
    await core.store.write(
      async (tx) => {
        // Others may have been promised a start meanwhile; of all that there was, a part may be left.
        const left = await allowed(tx.db, by, row, wish === "max" ? wish : seconds, tx.now);
        await writeExtension(tx, await also(tx, row), by, leasedBy, Math.min(left, seconds));
        // With it, so that nobody is told "try again" of what is done.
        await dropLease(tx, leasedBy, id);
      },
      { lock: "schedule" },
    );
  } catch (error) {
    await giveUp(core, id, leasedBy);
    throw error;
  }
}

/** Drops the lease if that can be done; otherwise it runs out. */
async function giveUp(core: Core, id: string, leasedBy: string): Promise<void> {
  try {
    await core.store.write((tx) => dropLease(tx, leasedBy, id));
  } catch (err) {
    core.log(
      "warn",
      { err, reservation_id: id },
      "the lease of an extension that failed stays until it runs out",
    );
  }
}

/** The row under a lease, and the seconds that it may get. */
async function claim(core: Core, by: Extender, id: string, leasedBy: string, wish: Extension) {
  for (let tried = 0; tried < CLAIM_TRIES; tried++) {
    if (tried > 0) await pause(CLAIM_PAUSE_MS);
    const claimed = await core.store.write(async (tx) => {
      checkActive(await by.find(tx.db, id), tx.now);
      const row = await claimOne(tx, { owner: leasedBy, ms: CLAIM_MS }, id);
      // It may have changed between the two statements; what is checked again is nobody else's now.
      return row && { row, seconds: await allowed(tx.db, by, row, wish, tx.now) };
    });
    if (claimed) return claimed;
  }
  throw new Problem("unavailable", "the reservation is being worked on; try again", { retryAfter: 1 });
}

function checkActive(row: ReservationRow, now: Date): void {
  if (row.state !== "active" || Date.parse(row.ends_at ?? "") <= now.getTime()) throw notActive(row);
}

/** The seconds that are wished for, or all that there are. Throws with the largest possible extension, so that the next try fits. */
async function allowed(
  db: Db,
  by: Extender,
  row: ReservationRow,
  wish: Extension,
  now: Date,
): Promise<number> {
  checkActive(row, now);
  const wished = secondsOf(row, wish);
  const bounds = await by.bounds(db, row, now);
  // As far as all else allows, so that the latest possible end is told.
  const promised = await promiseBound(db, row, tightest(bounds).mostS, now, by.all);
  const last = tightest([...bounds, promised]);
  const seconds = wish === "max" ? Math.max(1, last.mostS) : wished;
  if (seconds <= last.mostS) return seconds;
  // It is why no more is possible, also where others refuse as well.
  throw last.refusal();
}

const tightest = (bounds: readonly Bound[]): Bound =>
  bounds.reduce((least, bound) => (bound.mostS < least.mostS ? bound : least));

/** Rounded up: it ends no earlier than was asked. Throws Problem invalid_input for an end that is no extension. */
function secondsOf(row: ReservationRow, wish: Extension): number {
  if (typeof wish === "number") return wish;
  if (wish === "max") return Number.POSITIVE_INFINITY;
  const seconds = Math.ceil((Date.parse(wish.until) - Date.parse(row.ends_at ?? "")) / 1000);
  if (seconds > 0) return seconds;
  const detail = `must be later than its present end, ${row.ends_at}`;
  throw new Problem("invalid_input", `until: ${detail}`, {
    errors: [{ field: "until", code: "too_small", detail }],
  });
}

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

async function writeExtension(
  tx: Tx,
  row: ReservationRow,
  by: Extender,
  leasedBy: string,
  seconds: number,
): Promise<void> {
  const end = Date.parse(row.ends_at ?? "") + seconds * 1000;
  const ends_at = new Date(end).toISOString();
  await markHeld(tx, row);
  await changeReservation(
    tx,
    row,
    { actor: by.actor, leasedBy },
    by.event(`by ${exactDuration(seconds)}, until ${ends_at}`),
    {
      duration_s: row.duration_s + seconds,
      ends_at,
      warned_s: passedWarning((end - tx.now.getTime()) / 1000),
    },
  );
}
