/** Statements on disks. Whoever changes one, or gives it away, takes its row first. */
import { sql } from "kysely";
import type { DiskOrder } from "../api/disks.ts";
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type DiskRow, diskShape } from "./disk-tables.ts";
import type { Db, ReservationRow } from "./tables.ts";

const checked = (row: object): DiskRow => checkRow("disks", diskShape, row);

/** Names of this owner's disks are given one after the other, until the end of the transaction. */
export async function lockNames(tx: Tx, ownerId: string): Promise<void> {
  await tx.db
    .updateTable("users")
    .set((eb) => ({ name: eb.ref("name") }))
    .where("id", "=", ownerId)
    .execute();
}

export async function insertDisk(tx: Tx, row: DiskRow): Promise<DiskRow> {
  return checked(await tx.db.insertInto("disks").values(row).returningAll().executeTakeFirstOrThrow());
}

/** The row as it is now, and as it stays until the end of the transaction but for this one's changes. */
export async function takeDisk(tx: Tx, id: string): Promise<DiskRow | undefined> {
  const row = await tx.db
    .updateTable("disks")
    .set((eb) => ({ version: eb.ref("version") }))
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirst();
  return row && checked(row);
}

export async function updateDisk(
  tx: Tx,
  id: string,
  change: Partial<Omit<DiskRow, "id" | "version">>,
): Promise<DiskRow> {
  return checked(
    await tx.db
      .updateTable("disks")
      .set((eb) => ({ ...change, version: eb("version", "+", 1) }))
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow(),
  );
}

export async function findDisk(db: Db, id: string): Promise<DiskRow | undefined> {
  const row = await db.selectFrom("disks").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

/** The one that is not deleted. */
export async function findDiskByName(db: Db, ownerId: string, name: string): Promise<DiskRow | undefined> {
  const row = await db
    .selectFrom("disks")
    .selectAll()
    .where("owner_id", "=", ownerId)
    .where("name", "=", name)
    .where("deleted_at", "is", null)
    .executeTakeFirst();
  return row && checked(row);
}

/** Those on a host of which there is something, as far as anybody knows; in the order of their ids. */
export async function disksOn(db: Db, host: string): Promise<DiskRow[]> {
  const rows = await db
    .selectFrom("disks")
    .selectAll()
    .where("host", "=", host)
    .where("state", "<>", "gone")
    .where("lost_at", "is", null)
    .orderBy("id")
    .execute();
  return rows.map(checked);
}

/** Names by id. */
export async function diskNames(db: Db, ids: readonly string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("disks").select(["id", "name"]).where("id", "in", ids).execute();
  return new Map(rows.map((row) => [row.id, row.name]));
}

export interface DiskFilter {
  readonly ownerId: string;
  readonly state: "live" | "deleted" | "all";
  readonly name?: string | undefined;
  readonly idPrefix?: string | undefined;
  readonly order: DiskOrder;
  /** Only those behind this position in that order. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** By what each order sorts: no two rows have the same. */
const POSITIONS = {
  name: { sql: sql<string>`name || ' ' || id`, of: (row: DiskRow) => `${row.name} ${row.id}` },
  created_at: {
    sql: sql<string>`created_at || ' ' || id`,
    of: (row: DiskRow) => `${row.created_at} ${row.id}`,
  },
};

const positions = (order: DiskOrder) => POSITIONS[order.endsWith("name") ? "name" : "created_at"];

/** Where a disk stands in this order. */
export const diskPosition = (row: DiskRow, order: DiskOrder): string => positions(order).of(row);

/** Those of which there is nothing any more are left out. */
export async function listDisks(db: Db, filter: DiskFilter): Promise<DiskRow[]> {
  let query = db
    .selectFrom("disks")
    .selectAll()
    .where("owner_id", "=", filter.ownerId)
    .where("state", "<>", "gone");
  if (filter.state !== "all")
    query = query.where("deleted_at", filter.state === "live" ? "is" : "is not", null);
  if (filter.name !== undefined) query = query.where("name", "=", filter.name);
  if (filter.idPrefix !== undefined)
    query = query.where("id", ">=", filter.idPrefix).where("id", "<", `${filter.idPrefix}~`);
  const position = positions(filter.order).sql;
  const [direction, behind] = filter.order.startsWith("-")
    ? (["desc", "<"] as const)
    : (["asc", ">"] as const);
  if (filter.after !== undefined) query = query.where(position, behind, filter.after);
  const rows = await query.orderBy(position, direction).limit(filter.limit).execute();
  return rows.map(checked);
}

/** Those that can be undeleted no longer. */
export async function disksToPurge(db: Db, at: string): Promise<string[]> {
  const rows = await db
    .selectFrom("disks")
    .select("id")
    .where("purge_at", "<=", at)
    .where("deleted_at", "is not", null)
    .where(sql<boolean>`state <> 'gone'`)
    .execute();
  return rows.map((row) => row.id);
}

/** All volumes that a disk is on, by the disk's id, and whether they are there: already, or still. */
export async function namedVolumes(
  db: Db,
): Promise<Pick<DiskRow, "id" | "volume" | "host" | "state" | "lost_at">[]> {
  return await db
    .selectFrom("disks")
    .select(["id", "volume", "host", "state", "lost_at"])
    .where("state", "<>", "gone")
    .execute();
}

/** The live reservation that has each of these disks, by the disk's id. */
export async function holdersOf(db: Db, ids: readonly string[]): Promise<Map<string, HolderRow>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom("reservations")
    .select(["id", "name", "state", "disk_id", "duration_s", "attempt", "node_count"])
    .select(["ends_at", "preparing_deadline", "promised_start_at", "image", "build_id"])
    .where(sql<boolean>`disk_held = 1`)
    .where("disk_id", "in", ids)
    .execute();
  return new Map(rows.map((row) => [row.disk_id ?? "", row]));
}

export type HolderRow = Pick<
  ReservationRow,
  | "id"
  | "name"
  | "state"
  | "duration_s"
  | "attempt"
  | "node_count"
  | "ends_at"
  | "preparing_deadline"
  | "promised_start_at"
  | "image"
  | "build_id"
>;

/** Disks with snapshots every so often that a reservation runs with and nothing is done with; since when none of them was begun. */
export async function scheduledDisks(
  db: Db,
): Promise<{ readonly id: string; readonly everyS: number; readonly since: string }[]> {
  const rows = await db
    .selectFrom("disks as d")
    .innerJoin("reservations as r", "r.disk_id", "d.id")
    .select(["d.id", "d.snapshot_every_s", "r.started_at"])
    .select((eb) =>
      eb
        .selectFrom("disk_operations as o")
        .select((one) => one.fn.max("o.created_at").as("last"))
        .whereRef("o.disk_id", "=", "d.id")
        .where("o.kind", "=", "snapshot")
        .as("last"),
    )
    .where(sql<boolean>`r.disk_held = 1`)
    .where("r.state", "=", "active")
    .where("d.snapshot_every_s", "is not", null)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("disk_operations as o")
            .select("o.id")
            .whereRef("o.locked_id", "=", "d.id")
            .where("o.finished_at", "is", null),
        ),
      ),
    )
    .execute();
  return rows.map(({ id, snapshot_every_s, started_at, last }) => ({
    id,
    everyS: snapshot_every_s ?? 0,
    since: [started_at ?? "", last ?? ""].sort()[1] ?? "",
  }));
}
