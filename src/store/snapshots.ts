/** Statements on snapshots. */
import { sql } from "kysely";
import { checkRow, count } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type DiskRow, type SnapshotRow, snapshotShape } from "./disk-tables.ts";
import type { Db } from "./tables.ts";

const checked = (row: object): SnapshotRow => checkRow("snapshots", snapshotShape, row);

export async function insertSnapshot(tx: Tx, row: SnapshotRow): Promise<void> {
  await tx.db.insertInto("snapshots").values(row).execute();
}

export async function updateSnapshot(
  tx: Tx,
  id: string,
  change: Partial<Omit<SnapshotRow, "id">>,
): Promise<void> {
  await tx.db.updateTable("snapshots").set(change).where("id", "=", id).execute();
}

/** Those of a disk, or the one. */
export async function deleteSnapshots(
  tx: Tx,
  which: { readonly id: string } | { readonly diskId: string },
): Promise<void> {
  const statement = tx.db.deleteFrom("snapshots");
  await ("id" in which
    ? statement.where("id", "=", which.id)
    : statement.where("disk_id", "=", which.diskId)
  ).execute();
}

export async function findSnapshot(db: Db, id: string): Promise<SnapshotRow | undefined> {
  const row = await db.selectFrom("snapshots").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

/** By their ids. */
export async function findSnapshots(db: Db, ids: readonly string[]): Promise<Map<string, SnapshotRow>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("snapshots").selectAll().where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, checked(row)]));
}

const position = sql<string>`created_at || ' ' || id`;

/** Newest first, those before `<created_at> <id>`; what is on its way out is left out. */
export async function listSnapshots(
  db: Db,
  diskId: string,
  before: string,
  limit: number,
): Promise<SnapshotRow[]> {
  const rows = await db
    .selectFrom("snapshots")
    .selectAll()
    .where("disk_id", "=", diskId)
    .where("state", "<>", "leaving")
    .where(position, "<", before)
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(limit)
    .execute();
  return rows.map(checked);
}

/** All of a disk, whatever their state. */
export async function snapshotIds(db: Db, diskId: string): Promise<string[]> {
  const rows = await db.selectFrom("snapshots").select("id").where("disk_id", "=", diskId).execute();
  return rows.map((row) => row.id);
}

/** All of all disks, and where they are. */
export async function namedSnapshots(
  db: Db,
): Promise<(Pick<SnapshotRow, "id" | "state"> & Pick<DiskRow, "host" | "lost_at">)[]> {
  return await withDisks(db).select(["s.id", "s.state", "d.host", "d.lost_at"]).execute();
}

/** How many each of these disks has that can be restored. */
export async function countSnapshots(db: Db, diskIds: readonly string[]): Promise<Map<string, number>> {
  if (diskIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("snapshots")
    .select(["disk_id", (eb) => eb.fn.countAll().as("n")])
    .where("disk_id", "in", diskIds)
    .where("state", "=", "ready")
    .groupBy("disk_id")
    .execute();
  return new Map(rows.map((row) => [row.disk_id, count(row.n)]));
}

const withDisks = (db: Db) => db.selectFrom("snapshots as s").innerJoin("disks as d", "d.id", "s.disk_id");

/**
 * Those that nobody keeps: of each disk not among the newest so many, and taken before an instant. Left out are those of which a
 * disk is being made, and those of deleted and of lost disks, which go with the disk.
 */
export async function snapshotsToLeave(
  db: Db,
  keep: number,
  before: string,
): Promise<Pick<SnapshotRow, "id" | "disk_id" | "taken_at">[]> {
  const rank = sql<number>`row_number() over (partition by s.disk_id order by s.taken_at desc, s.id desc)`;
  const open = db
    .selectFrom("disk_operations")
    .select("snapshot_id")
    .where("finished_at", "is", null)
    .where("snapshot_id", "is not", null);
  return await db
    .selectFrom((eb) =>
      eb
        .selectFrom("snapshots as s")
        .innerJoin("disks as d", "d.id", "s.disk_id")
        .select(["s.id", "s.disk_id", "s.taken_at", rank.as("rank")])
        .where("s.state", "=", "ready")
        .where("d.deleted_at", "is", null)
        .where("d.lost_at", "is", null)
        .as("ranked"),
    )
    .select(["ranked.id", "ranked.disk_id", "ranked.taken_at"])
    .where("ranked.rank", ">", keep)
    .where("ranked.taken_at", "<", before)
    .where("ranked.id", "not in", open)
    .execute();
}

/** Those that are to be taken away, and where they are; on a host that is gone for good nothing can be. */
export async function leavingSnapshots(
  db: Db,
): Promise<{ readonly id: string; readonly host: string | null }[]> {
  return await withDisks(db)
    .select(["s.id", "d.host"])
    .where(sql<boolean>`s.state = 'leaving'`)
    .where("d.lost_at", "is", null)
    .execute();
}
