/** Writing down what is to be done with a disk, before anything of it is done (D-03, L-04). */
import type { OperationKind } from "../../api/disks.ts";
import { Problem } from "../../api/errors.ts";
import type { Tx } from "../../store/db.ts";
import { insertOperation } from "../../store/disk-operations.ts";
import type { DiskRow, OperationRow, SnapshotRow } from "../../store/disk-tables.ts";
import { findDiskByName, insertDisk, lockNames } from "../../store/disks.ts";
import { insertSnapshot } from "../../store/snapshots.ts";
import { record } from "../audit/record.ts";
import { newId } from "../ids.ts";

interface Wanted {
  readonly kind: OperationKind;
  readonly disk: DiskRow;
  /** The disk that it makes; nothing else may be done with that one meanwhile, and with `disk` only if it is `locked`. */
  readonly newDisk?: DiskRow;
  readonly locked?: DiskRow;
  readonly snapshotId?: string;
  readonly keptId?: string;
  readonly volume?: string;
  readonly sizeBytes?: number;
}

/** The operation, with its entry in the audit trail. The locked disk was taken in this transaction and is free. */
export async function openNew(tx: Tx, actor: string, wanted: Wanted): Promise<OperationRow> {
  const { kind, disk, newDisk, locked = disk, snapshotId, keptId, volume, sizeBytes } = wanted;
  const row: OperationRow = {
    id: newId(),
    kind,
    disk_id: disk.id,
    new_disk_id: newDisk?.id ?? null,
    locked_id: locked.id,
    snapshot_id: snapshotId ?? null,
    kept_id: keptId ?? null,
    volume: volume ?? newDisk?.volume ?? null,
    size_bytes: sizeBytes ?? newDisk?.size_bytes ?? null,
    done_bytes: 0,
    total_bytes: null,
    outcome: null,
    error: null,
    attempts: 0,
    created_at: tx.at,
    started_at: null,
    finished_at: null,
    next_step_at: tx.at,
    leased_by: null,
    leased_until: null,
  };
  await insertOperation(tx, row);
  await auditDisk(tx, actor, `disk.${kind}`, newDisk?.id ?? disk.id, `operation ${row.id}`);
  return row;
}

interface Why {
  readonly note?: string | null | undefined;
  readonly reservationId?: string;
}

/** The snapshot's row, and the operation that takes it. */
export async function openSnapshot(tx: Tx, actor: string, disk: DiskRow, why: Why): Promise<OperationRow> {
  return openNew(tx, actor, { kind: "snapshot", disk, snapshotId: await newSnapshot(tx, disk, why) });
}

/** The row of a snapshot that is not there yet; its id. */
export async function newSnapshot(tx: Tx, disk: DiskRow, why: Why): Promise<string> {
  const snapshot: SnapshotRow = {
    id: newId(),
    disk_id: disk.id,
    state: "taking",
    note: why.note ?? null,
    reservation_id: why.reservationId ?? null,
    used_bytes: null,
    files: null,
    changing: null,
    created_at: tx.at,
    taken_at: null,
  };
  await insertSnapshot(tx, snapshot);
  return snapshot.id;
}

/** What there is to tell of an operation that is over, in the audit trail. */
export const auditOver = (tx: Tx, actor: string, operation: OperationRow): Promise<void> => {
  const { id, kind, outcome, error, disk_id, new_disk_id } = operation;
  const detail = `operation ${id}${error === null ? "" : `: ${error}`}`;
  return auditDisk(tx, actor, `disk.${kind}.${outcome}`, new_disk_id ?? disk_id, detail);
};

/** The row of a disk that is not there yet. Throws Problem name_taken. */
export async function newDisk(
  tx: Tx,
  ownerId: string,
  given: Pick<DiskRow, "name" | "host" | "size_bytes" | "snapshot_policy" | "snapshot_every_s">,
): Promise<DiskRow> {
  await requireName(tx, ownerId, given.name);
  return insertDisk(tx, {
    ...given,
    id: newId(),
    owner_id: ownerId,
    volume: newId(),
    state: "creating",
    lost_at: null,
    used_bytes: null,
    used_at: null,
    last_used_at: null,
    last_snapshot_id: null,
    last_snapshot_at: null,
    created_at: tx.at,
    deleted_at: null,
    purge_at: null,
    version: 1,
  });
}

/** The name stays free, but for the disk `ownId`, until the end of the transaction. Throws Problem name_taken. */
export async function requireName(tx: Tx, ownerId: string, name: string, ownId?: string): Promise<void> {
  await lockNames(tx, ownerId);
  const found = await findDiskByName(tx.db, ownerId, name);
  if (found && found.id !== ownId)
    throw new Problem("name_taken", `you have a disk called ${name} already`, {
      hint: "choose another name",
    });
}

export const auditDisk = (
  tx: Tx,
  actor: string,
  action: string,
  subject: string,
  detail: string | null,
): Promise<void> => record(tx, actor, action, subject, detail);
