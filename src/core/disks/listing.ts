/** Reading disks: one, many, their snapshots and operations. */
import type { Disk, DiskOperation, DiskOrder, Snapshot } from "../../api/disks.ts";
import { Problem } from "../../api/errors.ts";
import type { Page } from "../../api/schemas.ts";
import { findOperation, listOperations as listOperationRows } from "../../store/disk-operations.ts";
import { diskPosition, findDisk, listDisks as listDiskRows } from "../../store/disks.ts";
import { listSnapshots as listSnapshotRows } from "../../store/snapshots.ts";
import type { Core } from "../core.ts";
import { cursorPosition, DEFAULT_LIMIT, type PageQuery, pageOf } from "../cursor.ts";
import type { Caller } from "../people/access.ts";
import { ownDisk } from "./find.ts";
import { viewDisk, viewDisks, viewOperation, viewSnapshot } from "./view.ts";

interface DiskQuery extends PageQuery {
  readonly state?: "live" | "deleted" | "all" | undefined;
  readonly name?: string | undefined;
  readonly id_prefix?: string | undefined;
  readonly sort?: DiskOrder | undefined;
}

/** Behind every instant. */
const END = "~";

/** The caller's; those that are not deleted, by name, unless asked otherwise. */
export function listDisks(core: Core, caller: Caller, query: DiskQuery): Promise<Page<Disk>> {
  const { state = "live", name, id_prefix, sort = "name", limit = DEFAULT_LIMIT } = query;
  const filter = ["disks", caller.id, state, name, id_prefix, sort];
  const after = cursorPosition(query.cursor, filter, "text");
  const chosen = { ownerId: caller.id, state, name, idPrefix: id_prefix };
  const wanted = { ...chosen, order: sort, after, limit: limit + 1 };
  return core.store.read(async (db) => {
    const rows = await listDiskRows(db, wanted);
    const items = await viewDisks(core, db, rows.slice(0, limit));
    return pageOf(rows, items, limit, filter, (row) => [diskPosition(row, sort), row.id]);
  });
}

/** Throws Problem not_found. */
export function getDisk(core: Core, caller: Caller, id: string): Promise<Disk> {
  return core.store.read(async (db) => viewDisk(core, db, await ownDisk(db, caller, id)));
}

/** Newest first. Throws Problem not_found. */
export function listSnapshots(
  core: Core,
  caller: Caller,
  id: string,
  { limit = DEFAULT_LIMIT, cursor }: PageQuery,
): Promise<Page<Snapshot>> {
  const filter = ["snapshots", id];
  const before = cursorPosition(cursor, filter, "text") ?? END;
  return core.store.read(async (db) => {
    await ownDisk(db, caller, id);
    const rows = await listSnapshotRows(db, id, before, limit + 1);
    return pageOf(rows, rows.map(viewSnapshot), limit, filter, byCreation);
  });
}

/** Newest first. Throws Problem not_found. */
export function listOperations(
  core: Core,
  caller: Caller,
  id: string,
  { limit = DEFAULT_LIMIT, cursor }: PageQuery,
): Promise<Page<DiskOperation>> {
  const filter = ["operations", id];
  const before = cursorPosition(cursor, filter, "text") ?? END;
  return core.store.read(async (db) => {
    await ownDisk(db, caller, id);
    const rows = await listOperationRows(db, id, before, limit + 1);
    return pageOf(rows, rows.map(viewOperation), limit, filter, byCreation);
  });
}

const byCreation = (row: { created_at: string; id: string }) =>
  [`${row.created_at} ${row.id}`, row.id] as const;

/** Also of a disk of which there is nothing any more, so that it can be told why. Throws Problem not_found. */
export function getOperation(core: Core, caller: Caller, id: string): Promise<DiskOperation> {
  return core.store.read(async (db) => {
    const row = await findOperation(db, id);
    const disk = row && (await findDisk(db, row.disk_id));
    if (row && disk?.owner_id === caller.id) return viewOperation(row);
    throw new Problem("not_found", `there is no operation ${id} on a disk of yours`, {
      hint: "gpu-dev disk show NAME tells what goes on",
    });
  });
}
