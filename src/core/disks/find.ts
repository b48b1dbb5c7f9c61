/** Whose disk it is, and whether something can be done with it now. */
import { Problem } from "../../api/errors.ts";
import type { Tx } from "../../store/db.ts";
import { openOperations } from "../../store/disk-operations.ts";
import type { DiskRow, OperationRow } from "../../store/disk-tables.ts";
import { findDisk, findDiskByName, type HolderRow, holdersOf, takeDisk } from "../../store/disks.ts";
import type { Db } from "../../store/tables.ts";
import { preparingMs } from "../lifecycle.ts";
import { requireVersion, type Versions } from "../versions.ts";

interface Owner {
  readonly id: string;
}

/** What is not yours does not exist. */
export const unknownDisk = (id: string): Problem =>
  new Problem("not_found", `there is no disk ${id} of yours`, {
    hint: "gpu-dev disk list shows those that there are",
  });

/** One of the caller's, deleted or not. Throws Problem not_found. */
export async function ownDisk(db: Db, caller: Owner, id: string): Promise<DiskRow> {
  const row = await findDisk(db, id);
  if (row?.owner_id === caller.id && row.state !== "gone") return row;
  throw unknownDisk(id);
}

/** One of the caller's by its id, else the live one of that name. Throws Problem not_found. */
export async function diskNamed(db: Db, caller: Owner, word: string): Promise<DiskRow> {
  const byId = await findDisk(db, word);
  if (byId?.owner_id === caller.id && byId.state !== "gone") return byId;
  const byName = await findDiskByName(db, caller.id, word);
  if (byName) return byName;
  throw unknownDisk(word);
}

/** The same, locked until the end of the transaction. Throws Problem not_found, and precondition_failed when it was at another version than `at` says. */
export async function takeOwnDisk(tx: Tx, caller: Owner, id: string, at?: Versions): Promise<DiskRow> {
  await ownDisk(tx.db, caller, id);
  const row = await takeDisk(tx, id);
  if (!row || row.state === "gone") throw unknownDisk(id);
  const is = row.deleted_at === null ? row.state : "deleted";
  requireVersion(row, at, `disk ${row.name} is ${is}`);
  return row;
}

/** What goes on with a disk that was taken. */
export async function openOperation(tx: Tx, disk: DiskRow): Promise<OperationRow | undefined> {
  return (await openOperations(tx.db, [disk.id])).get(disk.id);
}

/** Throws Problem disk_deleted, disk_lost, disk_in_use or disk_busy, when nothing may begin with this disk, which was taken. */
export const requireFree = (tx: Tx, disk: DiskRow): Promise<void> => requireIdle(tx, disk, () => false);

/** The same for what only reads it: a reservation that runs with it is not in the way. */
export const requireReadable = (tx: Tx, disk: DiskRow): Promise<void> =>
  requireIdle(tx, disk, ({ state }) => state === "active");

async function requireIdle(tx: Tx, disk: DiskRow, mayHold: (holder: HolderRow) => boolean): Promise<void> {
  if (disk.deleted_at !== null)
    throw new Problem("disk_deleted", `disk ${disk.name} was deleted at ${disk.deleted_at}`, {
      hint: `bring it back first: gpu-dev disk undelete ${disk.id}`,
    });
  requireKept(disk);
  const holder = (await holdersOf(tx.db, [disk.id])).get(disk.id);
  if (holder && !mayHold(holder)) throw inUse(disk, holder);
  const operation = await openOperation(tx, disk);
  if (operation) throw busy(disk, operation);
}

/** Throws Problem disk_lost when its data, and its snapshots, went with a host that is gone for good. */
export function requireKept({ name, host, lost_at }: DiskRow): void {
  if (lost_at === null) return;
  throw new Problem(
    "disk_lost",
    `disk ${name} was on node ${host}, which is gone for good since ${lost_at}`,
    {
      hint: `its name is free after gpu-dev disk delete ${name}; should that node come back, so does the disk`,
    },
  );
}

/** The end of who has it, as it stands (D-01); null when nobody can tell. */
export function heldUntil(holder: HolderRow): string | null {
  if (holder.ends_at !== null) return holder.ends_at;
  const readyBy = holder.preparing_deadline ?? later(holder.promised_start_at, preparingMs(holder));
  return later(readyBy, holder.duration_s * 1000);
}

const later = (at: string | null, ms: number): string | null =>
  at === null ? null : new Date(Date.parse(at) + ms).toISOString();

function inUse(disk: DiskRow, holder: HolderRow): Problem {
  const until = heldUntil(holder);
  const time = until === null ? "nobody can tell until when" : `until ${until}, as it stands`;
  return new Problem(
    "disk_in_use",
    `disk ${disk.name} is in use by reservation ${holder.name ?? holder.id}, which is ${holder.state}: ${time}`,
    { hint: "choose another disk, or cancel that reservation" },
  );
}

const DOING = {
  create: "is being created",
  snapshot: "has a snapshot taken",
  restore: "is being restored",
  clone: "is being cloned",
  resize: "is being resized",
  purge: "is being purged",
  measure: "is being measured",
} as const;

export const busy = (disk: DiskRow, { id, kind }: OperationRow): Problem =>
  new Problem("disk_busy", `disk ${disk.name} ${DOING[kind]} now (operation ${id})`, {
    hint: "try again when that is done",
    retryAfter: 1,
  });
