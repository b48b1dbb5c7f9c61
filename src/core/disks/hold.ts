/** The disk of a reservation: held from its creation to its end, and then until the snapshot is taken (D-01). */
import { Problem } from "../../api/errors.ts";
import type { Tx } from "../../store/db.ts";
import { finishOperation, restartOperation } from "../../store/disk-operations.ts";
import type { DiskRow } from "../../store/disk-tables.ts";
import { findDisk, takeDisk, updateDisk } from "../../store/disks.ts";
import { findSnapshot, updateSnapshot } from "../../store/snapshots.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { diskNamed, openOperation, requireFree } from "./find.ts";
import { auditOver, newSnapshot, openNew, openSnapshot } from "./open.ts";

/** The caller's disk of that id or name, for a reservation that is created in this transaction. Throws Problem not_found, disk_deleted, disk_in_use, disk_busy. */
export async function takeFreeDisk(tx: Tx, caller: { readonly id: string }, word: string): Promise<DiskRow> {
  const { id } = await diskNamed(tx.db, caller, word);
  const disk = await takeDisk(tx, id);
  if (!disk) throw new Error(`disk ${id} is gone`);
  await requireFree(tx, disk);
  return disk;
}

/** On several nodes it would be mounted several times. Throws Problem impossible_request. */
export function refuseSeveral(nodes: number): void {
  if (nodes === 1) return;
  throw new Problem("impossible_request", `a disk is in one place at a time: not on ${nodes} nodes`, {
    hint: "reserve several nodes without a disk, or one node with it",
  });
}

/** What the pod's home is; undefined for temporary storage. */
export async function homeOf(db: Db, row: ReservationRow): Promise<{ volume: string } | undefined> {
  if (row.disk_id === null) return undefined;
  const disk = await findDisk(db, row.disk_id);
  if (!disk) throw new Error(`reservation ${row.id} has the disk ${row.disk_id}, of which there is no row`);
  return { volume: disk.volume };
}

/** From the reservation, which ends in this transaction, to the operation that keeps what was done; nobody comes in between. */
export async function handOver(tx: Tx, row: ReservationRow, actor: string): Promise<void> {
  if (row.disk_held === 0 || row.disk_id === null) return;
  const disk = await takeDisk(tx, row.disk_id);
  // Nobody could write to it, or nobody can read what was written.
  if (!disk || row.started_at === null || disk.lost_at !== null) return;
  const used = await updateDisk(tx, disk.id, { last_used_at: tx.at });
  if (await goesOn(tx, used, row, actor)) return;
  if (used.snapshot_policy === "on_end") await openSnapshot(tx, actor, used, { reservationId: row.id });
  else await openNew(tx, actor, { kind: "measure", disk: used });
}

/** Whether a snapshot that was being taken meanwhile is the last one as well: it begins anew, of what the reservation left. */
async function goesOn(tx: Tx, disk: DiskRow, row: ReservationRow, actor: string): Promise<boolean> {
  const open = await openOperation(tx, disk);
  if (!open) return false;
  if (open.outcome !== null) {
    const over = await finishOperation(tx, open.id);
    if (over) await auditOver(tx, actor, over);
    return false;
  }
  const before = open.snapshot_id === null ? undefined : await findSnapshot(tx.db, open.snapshot_id);
  if (!before) throw new Error(`operation ${open.id} went on with disk ${disk.id}, which was in use`);
  const anew = await newSnapshot(tx, disk, { note: before.note, reservationId: row.id });
  // What of it is there already is as of before: the sweep takes it away.
  await updateSnapshot(tx, before.id, { state: "leaving", taken_at: tx.at });
  await restartOperation(tx, open.id, anew);
  return true;
}
