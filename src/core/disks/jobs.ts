/**
 * What each kind of operation does. Outside first, which may be repeated, since the ids are stored; then the rows, in the transaction
 * that ends it; then what is of no use any more is taken away. All or nothing (D-06): what failed leaves no row and no data.
 */
import type { OperationKind } from "../../api/disks.ts";
import {
  type DiskEngine,
  DiskRefused,
  type DiskUse,
  type Progress,
  type SnapshotUse,
} from "../../drivers/disks.ts";
import type { Tx } from "../../store/db.ts";
import type { DiskRow, OperationRow } from "../../store/disk-tables.ts";
import { findDisk, holdersOf, takeDisk, updateDisk } from "../../store/disks.ts";
import { deleteSnapshots, findSnapshot, snapshotIds, updateSnapshot } from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";
import { podName } from "../pods/pod.ts";

/** What has to be known to do it, read before it is begun. */
export interface Around {
  readonly disk: DiskRow;
  readonly snapshots: readonly string[];
  /** The pod that has the disk. */
  readonly pod?: string | undefined;
  /** What the snapshot to be restored takes. */
  readonly restoring: number;
}

/** What it has made outside: what is on the disk now, and what is in the snapshot that it has taken. */
export interface Made {
  readonly use?: DiskUse;
  readonly taken?: SnapshotUse;
}

interface Job {
  run(engine: DiskEngine, operation: OperationRow, around: Around, progress: Progress): Promise<Made>;
  /** The rows are as it has made them; what is to be stored with the operation. */
  done(tx: Tx, operation: OperationRow, made: Made): Promise<Partial<OperationRow> | undefined>;
}

const UNUSED: DiskUse = { usedBytes: 0, files: 0 };

export const JOBS: Record<OperationKind, Job> = {
  create: {
    async run(engine, operation, _around, progress) {
      await engine.create(volumeOf(operation), operation.size_bytes ?? 0, progress);
      return { use: UNUSED };
    },
    done: ready,
  },
  clone: {
    async run(engine, operation, { disk }, progress) {
      const { size_bytes } = operation;
      return { use: await engine.clone(disk.volume, volumeOf(operation), size_bytes ?? 0, progress) };
    },
    done: ready,
  },
  restore: {
    run: restore,
    done: (tx, operation, made) =>
      operation.new_disk_id === null ? replace(tx, operation, made) : ready(tx, operation, made),
  },
  snapshot: {
    async run(engine, operation, { disk, pod }, progress) {
      const taken = await engine.snapshot(disk.volume, snapshotOf(operation), progress, pod);
      return { use: taken, taken };
    },
    async done(tx, operation, { use, taken }) {
      await updateDisk(tx, operation.disk_id, used(tx, use));
      await took(tx, operation, taken);
      return undefined;
    },
  },
  resize: {
    async run(engine, operation, { disk }, progress) {
      await engine.resize(disk.volume, operation.size_bytes ?? 0, progress);
      return {};
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
      return { use };
    },
    async done(tx, { disk_id }, { use }) {
      await updateDisk(tx, disk_id, used(tx, use));
      return undefined;
    },
  },
  purge: {
    async run(engine, _operation, { disk, snapshots }) {
      for (const snapshot of snapshots) await engine.remove({ snapshot });
      await engine.remove({ disk: disk.volume });
      return {};
    },
    async done(tx, { disk_id }) {
      await vanish(tx, disk_id);
      return undefined;
    },
  },
};

/** There is nothing of a deleted disk any more, or nothing that could be taken away. */
export async function vanish(tx: Tx, diskId: string): Promise<void> {
  await deleteSnapshots(tx, { diskId });
  await updateDisk(tx, diskId, { state: "gone", last_snapshot_id: null, last_snapshot_at: null });
}

/** What it replaces is kept first. */
async function restore(
  engine: DiskEngine,
  operation: OperationRow,
  { disk, restoring }: Around,
  progress: Progress,
): Promise<Made> {
  const { kept_id, size_bytes } = operation;
  const taken =
    kept_id === null
      ? undefined
      : await engine.snapshot(disk.volume, kept_id, shifted(progress, 0, restoring));
  const behind = shifted(progress, taken?.usedBytes ?? 0, 0);
  const use = await engine.restore(snapshotOf(operation), volumeOf(operation), size_bytes ?? 0, behind);
  return { use, ...(taken && { taken }) };
}

/** The progress of a part, before which so many bytes were dealt with, and behind which so many are. */
function shifted(progress: Progress, before: number, behind: number): Progress {
  const { signal, confirm } = progress;
  return Object.assign(
    (done: number, total: number | undefined) =>
      progress(before + done, total === undefined ? undefined : before + total + behind),
    { ...(signal && { signal }), ...(confirm && { confirm }) },
  );
}

const used = (tx: Tx, use: DiskUse | undefined): Pick<DiskRow, "used_bytes" | "used_at"> =>
  use ? { used_bytes: use.usedBytes, used_at: tx.at } : { used_bytes: null, used_at: null };

/** The new disk is there. */
async function ready(tx: Tx, operation: OperationRow, { use }: Made): Promise<undefined> {
  await updateDisk(tx, operation.new_disk_id ?? operation.disk_id, { state: "ready", ...used(tx, use) });
}

/** From here on the disk is the new volume; the operation keeps the name of the old one until that is gone. */
async function replace(tx: Tx, operation: OperationRow, made: Made): Promise<Partial<OperationRow>> {
  const disk = await takeDisk(tx, operation.disk_id);
  if (!disk) throw new Error(`disk ${operation.disk_id} is gone`);
  await updateDisk(tx, disk.id, { volume: volumeOf(operation), ...used(tx, made.use) });
  await took(tx, operation, made.taken);
  return { volume: disk.volume };
}

/** The snapshot that it has taken counts. */
async function took(tx: Tx, operation: OperationRow, taken: SnapshotUse | undefined): Promise<void> {
  const id = takenBy(operation);
  if (id === null || !taken) return;
  const { usedBytes: used_bytes, files, changing = null } = taken;
  await updateSnapshot(tx, id, { state: "ready", used_bytes, files, changing, taken_at: tx.at });
  await updateDisk(tx, operation.disk_id, { last_snapshot_id: id, last_snapshot_at: tx.at });
}

/** The snapshot that an operation takes. */
const takenBy = ({ kind, snapshot_id, kept_id }: OperationRow): string | null =>
  kind === "snapshot" ? snapshot_id : kept_id;

/** The rows that a failed operation leaves as they were before it: what it was to make is gone. */
export async function undo(tx: Tx, operation: OperationRow): Promise<void> {
  if (operation.new_disk_id !== null)
    await updateDisk(tx, operation.new_disk_id, { state: "gone", deleted_at: tx.at, purge_at: tx.at });
  const taken = takenBy(operation);
  if (taken !== null) await updateSnapshot(tx, taken, { state: "leaving", taken_at: tx.at });
}

/** What is to be taken away after it has ended: what was made in vain, or what was replaced. */
export async function clearAway(engine: DiskEngine, operation: OperationRow): Promise<void> {
  const { kind, outcome, volume, new_disk_id } = operation;
  const inVain = outcome === "failed";
  const taken = takenBy(operation);
  if (inVain && taken !== null) await engine.remove({ snapshot: taken });
  const replaced = kind === "restore" && new_disk_id === null;
  if (volume !== null && (inVain || replaced)) await engine.remove({ disk: volume });
}

/** With it gone, the row of a snapshot that was taken in vain goes too. */
export async function cleared(tx: Tx, operation: OperationRow): Promise<void> {
  const taken = takenBy(operation);
  if (operation.outcome === "failed" && taken !== null) await deleteSnapshots(tx, { id: taken });
}

/** As it is now. */
export async function readAround(db: Db, { id, disk_id, snapshot_id }: OperationRow): Promise<Around> {
  const disk = await findDisk(db, disk_id);
  if (!disk) throw new Error(`operation ${id} is on the disk ${disk_id}, of which there is no row`);
  const holder = (await holdersOf(db, [disk_id])).get(disk_id);
  const source = snapshot_id === null ? undefined : await findSnapshot(db, snapshot_id);
  return {
    disk,
    snapshots: await snapshotIds(db, disk_id),
    pod: holder && podName(holder),
    restoring: source?.used_bytes ?? 0,
  };
}

function volumeOf({ id, volume }: OperationRow): string {
  if (volume === null) throw new Error(`operation ${id} names no volume`);
  return volume;
}

function snapshotOf({ id, snapshot_id }: OperationRow): string {
  if (snapshot_id === null) throw new Error(`operation ${id} names no snapshot`);
  return snapshot_id;
}
