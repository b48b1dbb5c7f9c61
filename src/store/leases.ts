/** Who works on a reservation: the row is the job, and a lease says for how long it is whose. */
import { checkRow, instant } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type ReservationRow, reservationShape } from "./tables.ts";

type State = ReservationRow["state"];
/** Whose rows are jobs; their columns of leases are the same. */
type Jobs = "reservations" | "disk_operations";

export interface Lease {
  /** Random per running reconciler or request. */
  readonly owner: string;
  /** Milliseconds. */
  readonly ms: number;
}

const until = (tx: Tx, lease: Lease): string => new Date(tx.now.getTime() + lease.ms).toISOString();

/**
 * Takes up to `limit` reservations in one of `states` whose next step is due and that nobody works on; the longest due first.
 * Only their ids: a row that cannot be read must not stand in the way of the others.
 */
export async function claimDue(
  tx: Tx,
  lease: Lease,
  limit: number,
  states: readonly State[],
): Promise<string[]> {
  if (limit === 0) return [];
  const due = tx.db
    .selectFrom("reservations")
    .select("id")
    .where("next_step_at", "<=", tx.at)
    .where("state", "in", states)
    .where((eb) => eb.or([eb("leased_until", "is", null), eb("leased_until", "<=", tx.at)]))
    .orderBy("next_step_at")
    .limit(limit);
  const rows = await tx.db
    .updateTable("reservations")
    .set({ leased_by: lease.owner, leased_until: until(tx, lease) })
    .where("id", "in", tx.engine.skipLocked(due))
    .returning("id")
    .execute();
  return rows.map((row) => row.id);
}

/** Makes the next step of these due now, for those that hold something outside; the ids of those that somebody works on, who may have looked before. */
export async function makeDue(tx: Tx, ids: readonly string[]): Promise<string[]> {
  await tx.db
    .updateTable("reservations")
    .set({ next_step_at: tx.at })
    .where("id", "in", ids)
    .where("next_step_at", ">", tx.at)
    .where("state", "<>", "queued")
    .where((eb) => eb.or([eb("leased_until", "is", null), eb("leased_until", "<=", tx.at)]))
    .execute();
  const busy = await tx.db
    .selectFrom("reservations")
    .select("id")
    .where("id", "in", ids)
    .where("leased_until", ">", tx.at)
    .execute();
  return busy.map((row) => row.id);
}

/** Takes this one if nobody works on it; undefined when somebody does, or when it is over. */
export async function claimOne(tx: Tx, lease: Lease, id: string): Promise<ReservationRow | undefined> {
  const row = await tx.db
    .updateTable("reservations")
    .set({ leased_by: lease.owner, leased_until: until(tx, lease) })
    .where("id", "=", id)
    .where("next_step_at", "is not", null)
    .where((eb) => eb.or([eb("leased_until", "is", null), eb("leased_until", "<=", tx.at)]))
    .returningAll()
    .executeTakeFirst();
  return row && checkRow("reservations", reservationShape, row);
}

/** How many of these leases were renewed; the others are somebody else's by now, or nobody's. */
export async function renewLeases(
  tx: Tx,
  lease: Lease,
  ids: readonly string[],
  jobs: Jobs = "reservations",
): Promise<number> {
  const { numUpdatedRows } = await tx.db
    .updateTable(jobs)
    .set({ leased_until: until(tx, lease) })
    .where("id", "in", ids)
    .where("leased_by", "=", lease.owner)
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** A reservation that was looked at and has nothing to do until an instant. */
export interface Rest {
  readonly id: string;
  readonly version: number;
  readonly nextStepAt: string;
}

/**
 * Gives back the leases of many that only wait, one statement for each instant. One that was changed since it was read is left
 * as it is, lease included: whoever changed it said when its next step is.
 */
export async function settle(tx: Tx, owner: string, rests: readonly Rest[]): Promise<string[]> {
  const settled: string[] = [];
  for (const [next_step_at, group] of Map.groupBy(rests, (rest) => rest.nextStepAt)) {
    const rows = await tx.db
      .updateTable("reservations")
      .set({ next_step_at, leased_by: null, leased_until: null })
      .where(({ or, and }) => or(group.map(({ id, version }) => and({ id, version }))))
      .where("leased_by", "=", owner)
      .returning("id")
      .execute();
    settled.push(...rows.map((row) => row.id));
  }
  return settled;
}

/** Gives the work back as it is; whoever is next takes it up at `nextStepAt` (or when it was due anyway). */
export async function dropLease(
  tx: Tx,
  owner: string,
  id: string,
  nextStepAt?: string,
  jobs: Jobs = "reservations",
): Promise<void> {
  await tx.db
    .updateTable(jobs)
    .set({ leased_by: null, leased_until: null, ...(nextStepAt ? { next_step_at: nextStepAt } : {}) })
    .where("id", "=", id)
    .where("leased_by", "=", owner)
    .where("next_step_at", "is not", null)
    .execute();
}

/** For the one process that may work on all of it: whoever held these is dead. */
export async function clearLeases(tx: Tx): Promise<void> {
  for (const jobs of ["reservations", "disk_operations"] as const)
    await tx.db.updateTable(jobs).set({ leased_by: null, leased_until: null }).execute();
}

/** The next instant at which something in one of `states` can be claimed; undefined when nothing is open. */
export async function nextDue(db: Db, states: readonly State[]): Promise<string | undefined> {
  const row = await db
    .selectFrom("reservations")
    .select("next_step_at")
    .where("next_step_at", "is not", null)
    .where("leased_by", "is", null)
    .where("state", "in", states)
    .orderBy("next_step_at")
    .limit(1)
    .executeTakeFirst();
  return row && checkRow("reservations", { next_step_at: instant }, row).next_step_at;
}
