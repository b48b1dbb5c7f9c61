/** Disks, snapshots and operations as the contract shows them. */
import type { Disk, DiskOperation, Snapshot } from "../../api/disks.ts";
import { openOperations } from "../../store/disk-operations.ts";
import type { DiskRow, OperationRow, SnapshotRow } from "../../store/disk-tables.ts";
import { type HolderRow, holdersOf } from "../../store/disks.ts";
import { findSnapshots } from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { heldUntil } from "./find.ts";

/** In their order, from the snapshot that `db` sees. */
export async function viewDisks(core: Core, db: Db, rows: readonly DiskRow[]): Promise<Disk[]> {
  const ids = rows.map((row) => row.id);
  const holders = await holdersOf(db, ids);
  const operations = await openOperations(db, ids);
  const last = await findSnapshots(
    db,
    rows.flatMap((row) => row.last_snapshot_id ?? []),
  );
  return rows.map((row) => ({
    ...view(core, row, holders.get(row.id), operations.get(row.id)),
    last_snapshot: viewLast(last.get(row.last_snapshot_id ?? "")),
  }));
}

/** The one, as it is now in this transaction. */
export async function viewDisk(core: Core, db: Db, row: DiskRow): Promise<Disk> {
  const [disk] = await viewDisks(core, db, [row]);
  if (!disk) throw new Error(`disk ${row.id} cannot be shown`);
  return disk;
}

function view(
  core: Core,
  row: DiskRow,
  holder: HolderRow | undefined,
  operation: OperationRow | undefined,
): Omit<Disk, "last_snapshot"> {
  const limits = core.disks?.limits ?? { enforced: false, how: "this server has no disks" };
  return {
    id: row.id,
    name: row.name,
    node: row.host,
    state: stateOf(row, holder, operation),
    lost_at: row.lost_at,
    size_bytes: row.size_bytes,
    used_bytes: row.used_bytes,
    used_at: row.used_at,
    limits_enforced: limits.enforced,
    limits: limits.how,
    snapshot_policy: row.snapshot_policy,
    snapshot_every_s: row.snapshot_every_s,
    held_by: holder ? { id: holder.id, name: holder.name } : null,
    held_until: holder ? heldUntil(holder) : null,
    operation_id: operation?.id ?? null,
    last_used_at: row.last_used_at,
    created_at: row.created_at,
    deleted_at: row.deleted_at,
    purge_at: row.purge_at,
    version: row.version,
  };
}

function stateOf(
  row: DiskRow,
  holder: HolderRow | undefined,
  operation: OperationRow | undefined,
): Disk["state"] {
  if (row.deleted_at !== null) return "deleted";
  if (row.lost_at !== null) return "lost";
  if (row.state === "creating") return "creating";
  if (holder) return "in_use";
  return operation ? "busy" : "ready";
}

function viewLast(row: SnapshotRow | undefined): Disk["last_snapshot"] {
  if (!row || row.taken_at === null) return null;
  const { id, taken_at, changing } = row;
  return { id, taken_at, in_use: changing !== null, files_changing: changing };
}

export const viewSnapshot = (row: SnapshotRow): Snapshot => ({
  id: row.id,
  disk_id: row.disk_id,
  state: row.state === "taking" ? "taking" : "ready",
  note: row.note,
  reservation_id: row.reservation_id,
  used_bytes: row.used_bytes,
  files: row.files,
  created_at: row.created_at,
  taken_at: row.taken_at,
  in_use: row.state === "taking" ? null : row.changing !== null,
  files_changing: row.changing,
});

export const viewOperation = (row: OperationRow): DiskOperation => ({
  id: row.id,
  kind: row.kind,
  state:
    row.finished_at !== null ? (row.outcome ?? "failed") : row.started_at === null ? "queued" : "running",
  disk_id: row.disk_id,
  new_disk_id: row.new_disk_id,
  snapshot_id: row.snapshot_id,
  kept_snapshot_id: row.kept_id,
  done_bytes: row.done_bytes,
  total_bytes: row.total_bytes,
  error: row.error,
  created_at: row.created_at,
  started_at: row.started_at,
  finished_at: row.finished_at,
});
