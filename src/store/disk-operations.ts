/** Statements on the operations on disks: each row is a job, under a lease like a reservation. */
import { sql } from "kysely";
import { checkRow, instant } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type OperationRow, operationShape } from "./disk-tables.ts";
import type { Lease } from "./leases.ts";
import type { Db } from "./tables.ts";
import { addTally } from "./tallies.ts";

const checked = (row: object): OperationRow => checkRow("disk_operations", operationShape, row);

export async function insertOperation(tx: Tx, row: OperationRow): Promise<void> {
  await tx.db.insertInto("disk_operations").values(row).execute();
}

export async function findOperation(db: Db, id: string): Promise<OperationRow | undefined> {
  const row = await db.selectFrom("disk_operations").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

/** Those that go on with these disks, by the disk's id. */
export async function openOperations(db: Db, diskIds: readonly string[]): Promise<Map<string, OperationRow>> {
  if (diskIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("disk_operations")
    .selectAll()
    .where("locked_id", "in", diskIds)
    .where("finished_at", "is", null)
    .execute();
  return new Map(rows.map((row) => [row.locked_id, checked(row)]));
}

/** All that go on. */
export async function allOpenOperations(db: Db): Promise<OperationRow[]> {
  const rows = await db
    .selectFrom("disk_operations")
    .selectAll()
    .where("finished_at", "is", null)
    .where("next_step_at", "is not", null)
    .execute();
  return rows.map(checked);
}

const position = sql<string>`created_at || ' ' || id`;

/** With a disk, or of which it came; newest first, those before `<created_at> <id>`. */
export async function listOperations(
  db: Db,
  diskId: string,
  before: string,
  limit: number,
): Promise<OperationRow[]> {
  const rows = await db
    .selectFrom("disk_operations")
    .selectAll()
    .where((eb) => eb.or([eb("disk_id", "=", diskId), eb("new_disk_id", "=", diskId)]))
    .where(position, "<", before)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(checked);
}

/** Takes up to `limit` that are due and that nobody works on; the longest due first. */
export async function claimOperations(tx: Tx, lease: Lease, limit: number): Promise<string[]> {
  if (limit === 0) return [];
  const due = tx.db
    .selectFrom("disk_operations")
    .select("id")
    .where("next_step_at", "<=", tx.at)
    .where((eb) => eb.or([eb("leased_until", "is", null), eb("leased_until", "<=", tx.at)]))
    .orderBy("next_step_at")
    .limit(limit);
  const rows = await tx.db
    .updateTable("disk_operations")
    .set((eb) => ({
      leased_by: lease.owner,
      leased_until: new Date(tx.now.getTime() + lease.ms).toISOString(),
      started_at: eb.fn.coalesce("started_at", eb.val(tx.at)),
    }))
    .where("id", "in", tx.engine.skipLocked(due))
    .returning("id")
    .execute();
  return rows.map((row) => row.id);
}

/** Undefined when it is somebody else's by now, has begun anew or is finished: nothing was written. */
export async function updateOperation(
  tx: Tx,
  expected: Pick<OperationRow, "id" | "snapshot_id"> & { readonly leasedBy: string },
  change: Partial<Omit<OperationRow, "id">>,
): Promise<OperationRow | undefined> {
  const row = await tx.db
    .updateTable("disk_operations")
    .set(change)
    .where("id", "=", expected.id)
    .where("leased_by", "=", expected.leasedBy)
    .where("snapshot_id", expected.snapshot_id === null ? "is" : "=", expected.snapshot_id)
    .where("finished_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** It begins again, to take another snapshot: whoever works on it has lost it. Undefined when its outcome is known. */
export async function restartOperation(
  tx: Tx,
  id: string,
  snapshotId: string,
): Promise<OperationRow | undefined> {
  const row = await tx.db
    .updateTable("disk_operations")
    .set({ snapshot_id: snapshotId, attempts: 0, error: null, done_bytes: 0, total_bytes: null })
    .set({ next_step_at: tx.at, leased_by: null, leased_until: null })
    .where("id", "=", id)
    .where("outcome", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** It is over, whoever works on it, with this outcome where it had none; undefined when it was before. */
export async function finishOperation(
  tx: Tx,
  id: string,
  failed?: { readonly error: string },
): Promise<OperationRow | undefined> {
  const row = await tx.db
    .updateTable("disk_operations")
    .set({ finished_at: tx.at, next_step_at: null, leased_by: null, leased_until: null })
    .set(failed ? { outcome: "failed", error: failed.error } : {})
    .where("id", "=", id)
    .where("finished_at", "is", null)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

/** Deletes up to `limit` that were over before an instant; how they ended stays counted. */
export async function forgetOperations(tx: Tx, before: string, limit: number): Promise<void> {
  const old = tx.db.selectFrom("disk_operations").select("id").where("finished_at", "<", before).limit(limit);
  const rows = await tx.db
    .deleteFrom("disk_operations")
    .where("id", "in", old)
    .returning(["kind", "outcome"])
    .execute();
  const groups = Map.groupBy(rows, ({ kind, outcome }) => `${kind} ${outcome}`);
  for (const [label, { length }] of groups) await addTally(tx, "disk_operation", label, length);
}

/** The next instant at which one can be claimed. */
export async function nextOperation(db: Db): Promise<string | undefined> {
  const row = await db
    .selectFrom("disk_operations")
    .select("next_step_at")
    .where("next_step_at", "is not", null)
    .where("leased_by", "is", null)
    .orderBy("next_step_at")
    .limit(1)
    .executeTakeFirst();
  return row && checkRow("disk_operations", { next_step_at: instant }, row).next_step_at;
}
