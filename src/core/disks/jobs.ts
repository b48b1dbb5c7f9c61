/**
 * What each kind of operation does. Outside first, which may be repeated, since the ids are stored; then the rows, in the transaction
 * that ends it; then what is of no use any more is taken away. All or nothing (D-06): what failed leaves no row and no data.
 */
import type { OperationKind } from "../../api/disks.ts";
import { type DiskEngine, DiskRefused, type DiskUse, type Progress } from "../../drivers/disks.ts";
import type { Tx } from "../../store/db.ts";
import type { DiskRow, OperationRow } from "../../store/disk-tables.ts";
import { findDisk, takeDisk, updateDisk } from "../../store/disks.ts";
import { deleteSnapshots, snapshotIds, updateSnapshot } from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";

/** What has to be known to do it, read before it is begun. */
export interface Around {
  readonly disk: DiskRow;
  readonly snapshots: readonly string[];
}

interface Job {
  run(
    engine: DiskEngine,
    operation: OperationRow,
    around: Around,
    progress: Progress,
  ): Promise<DiskUse | undefined>;
  /** The rows are as it has made them; what is to be stored with the operation. */
  done(tx: Tx, operation: OperationRow, use: DiskUse | undefined): Promise<Partial<OperationRow> | undefined>;
}

const UNUSED: DiskUse = { usedBytes: 0, files: 0 };

export const JOBS: Record<OperationKind, Job> = {
  create: {
    async run(engine, operation, _around, progress) {
      await engine.create(volumeOf(operation), operation.size_bytes ?? 0, progress);
      return UNUSED;
    },
    done: ready,
  },
  clone: {
    run: (engine, operation, { disk }, progress) =>
      engine.clone(disk.volume, volumeOf(operation), operation.size_bytes ?? 0, progress),
    done: ready,
  },
  restore: {
    run: (engine, operation, _around, progress) =>
      engine.restore(snapshotOf(operation), volumeOf(operation), operation.size_bytes ?? 0, progress),
    done: (tx, operation, use) =>
      operation.new_disk_id === null ? replace(tx, operation, use) : ready(tx, operation, use),
  },
  snapshot: {
    run: (engine, operation, { disk }, progress) =>
      engine.snapshot(disk.volume, snapshotOf(operation), progress),
    async done(tx, operation, use) {
      const id = snapshotOf(operation);
      const { usedBytes = null, files = null } = use ?? {};
      await updateSnapshot(tx, id, { state: "ready", used_bytes: usedBytes, files, taken_at: tx.at });
      await updateDisk(tx, operation.disk_id, {
        ...used(tx, use),
        last_snapshot_id: id,
        last_snapshot_at: tx.at,
      });
      return undefined;
    },
  },
  resize: {
    async run(engine, operation, { disk }, progress) {
      await engine.resize(disk.volume, operation.size_bytes ?? 0, progress);
      return undefined;
    },
    async done(tx, { disk_id, size_bytes }) {
      if (size_bytes !== null) await updateDisk(tx, disk_id, { size_bytes });
      return undefined;
    },
  },
  measure: {
    async run(engine, _operation, { disk }) {
      const use = await engine.measure(disk.volume);
      if (use === "absent") throw new DiskRefused("there are no data of this disk");
      return use;
    },
    async done(tx, { disk_id }, use) {
      await updateDisk(tx, disk_id, used(tx, use));
      return undefined;
    },
  },
  purge: {
    async run(engine, _operation, { disk, snapshots }) {
      for (const snapshot of snapshots) await engine.remove({ snapshot });
      await engine.remove({ disk: disk.volume });
      return undefined;
    },
    async done(tx, { disk_id }) {
      await deleteSnapshots(tx, { diskId: disk_id });
      await updateDisk(tx, disk_id, { state: "gone", last_snapshot_id: null, last_snapshot_at: null });
      return undefined;
    },
  },
};

const used = (tx: Tx, use: DiskUse | undefined): Pick<DiskRow, "used_bytes" | "used_at"> =>
  use ? { used_bytes: use.usedBytes, used_at: tx.at } : { used_bytes: null, used_at: null };

/** The new disk is there. */
async function ready(tx: Tx, operation: OperationRow, use: DiskUse | undefined): Promise<undefined> {
  await updateDisk(tx, operation.new_disk_id ?? operation.disk_id, { state: "ready", ...used(tx, use) });
}

/** From here on the disk is the new volume; the operation keeps the name of the old one until that is gone. */
async function replace(
  tx: Tx,
  operation: OperationRow,
  use: DiskUse | undefined,
): Promise<Partial<OperationRow>> {
  const disk = await takeDisk(tx, operation.disk_id);
  if (!disk) throw new Error(`disk ${operation.disk_id} is gone`);
  await updateDisk(tx, disk.id, { volume: volumeOf(operation), ...used(tx, use) });
  return { volume: disk.volume };
}

/** The rows that a failed operation leaves as they were before it: what it was to make is gone. */
export async function undo(tx: Tx, operation: OperationRow): Promise<void> {
  if (operation.new_disk_id !== null)
    await updateDisk(tx, operation.new_disk_id, { state: "gone", deleted_at: tx.at, purge_at: tx.at });
  if (operation.kind === "snapshot")
    await updateSnapshot(tx, snapshotOf(operation), { state: "leaving", taken_at: tx.at });
}

/** What is to be taken away after it has ended: what was made in vain, or what was replaced. */
export async function clearAway(engine: DiskEngine, operation: OperationRow): Promise<void> {
  const { kind, outcome, volume, new_disk_id, snapshot_id } = operation;
  const inVain = outcome === "failed";
  if (inVain && kind === "snapshot" && snapshot_id !== null) await engine.remove({ snapshot: snapshot_id });
  const replaced = kind === "restore" && new_disk_id === null;
  if (volume !== null && (inVain || replaced)) await engine.remove({ disk: volume });
}

/** With it gone, the row of a snapshot that was taken in vain goes too. */
export const cleared = (tx: Tx, { kind, outcome, snapshot_id }: OperationRow): Promise<void> =>
  outcome === "failed" && kind === "snapshot" && snapshot_id !== null
    ? deleteSnapshots(tx, { id: snapshot_id })
    : Promise.resolve();

/** As it is now. */
export async function readAround(db: Db, { id, disk_id }: OperationRow): Promise<Around> {
  const disk = await findDisk(db, disk_id);
  if (!disk) throw new Error(`operation ${id} is on the disk ${disk_id}, of which there is no row`);
  return { disk, snapshots: await snapshotIds(db, disk_id) };
}

function volumeOf({ id, volume }: OperationRow): string {
  if (volume === null) throw new Error(`operation ${id} names no volume`);
  return volume;
}

function snapshotOf({ id, snapshot_id }: OperationRow): string {
  if (snapshot_id === null) throw new Error(`operation ${id} names no snapshot`);
  return snapshot_id;
}
