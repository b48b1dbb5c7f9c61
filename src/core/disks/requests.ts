/** What a user asks for that takes time: it is written down and answered with its operation, which the reconciler works on. */
import type { CreateDisk, DiskOperation, RestoreDisk } from "../../api/disks.ts";
import { Problem } from "../../api/errors.ts";
import { id8 } from "../../api/names.ts";
import type { Tx } from "../../store/db.ts";
import type { DiskRow, OperationRow, SnapshotRow } from "../../store/disk-tables.ts";
import { lockNames } from "../../store/disks.ts";
import { findSnapshot } from "../../store/snapshots.ts";
import type { Core } from "../core.ts";
import { type Answer, answerOnce, type Idempotency } from "../idempotency.ts";
import { newId } from "../ids.ts";
import type { Caller } from "../people/access.ts";
import { decided } from "../race.ts";
import { openOperation, ownDisk, requireFree, requireKept, requireReadable, takeOwnDisk } from "./find.ts";
import { chooseHost } from "./host.ts";
import { newDisk, newSnapshot, openNew, openSnapshot } from "./open.ts";
import { viewOperation } from "./view.ts";

const DEFAULT_SIZE = 100e9;

type Answering = Promise<Answer<DiskOperation>>;

/** Throws Problem name_taken, impossible_request, idempotency_mismatch, and of its node invalid_input, unavailable. */
export async function createDisk(
  core: Core,
  caller: Caller,
  { name, node, size_bytes = DEFAULT_SIZE, snapshot_policy = "on_end", snapshot_every_s = null }: CreateDisk,
  idempotency?: Idempotency,
): Answering {
  // A request that comes again has its answer, whatever is the matter with the hosts by now.
  const host = await chooseHost(core, node).catch((error: unknown) => {
    if (error instanceof Problem) return error;
    throw error;
  });
  return request(core, caller, idempotency, async (tx) => {
    if (host instanceof Problem) throw host;
    const disk = await newDisk(tx, caller.id, { name, host, size_bytes, snapshot_policy, snapshot_every_s });
    return openNew(tx, caller.id, { kind: "create", disk, newDisk: disk });
  });
}

/** Also of a disk that an active reservation has. Throws Problem not_found, disk_deleted, disk_in_use, disk_busy, idempotency_mismatch. */
export const createSnapshot = (
  core: Core,
  caller: Caller,
  id: string,
  { note }: { readonly note?: string | undefined },
  idempotency?: Idempotency,
): Answering =>
  request(core, caller, idempotency, async (tx) => {
    const disk = await takeOwnDisk(tx, caller, id);
    const open = await sameOpen(tx, disk, (operation) => operation.kind === "snapshot", requireReadable);
    return open ?? openSnapshot(tx, caller.id, disk, { note });
  });

/** Throws Problem not_found, disk_deleted, disk_in_use, disk_busy, idempotency_mismatch. */
export const resizeDisk = (
  core: Core,
  caller: Caller,
  id: string,
  { size_bytes: sizeBytes }: { readonly size_bytes: number },
  idempotency?: Idempotency,
): Answering =>
  request(core, caller, idempotency, async (tx) => {
    const disk = await takeOwnDisk(tx, caller, id);
    const open = await sameOpen(tx, disk, (o) => o.kind === "resize" && o.size_bytes === sizeBytes);
    return open ?? openNew(tx, caller.id, { kind: "resize", disk, sizeBytes });
  });

/** Throws Problem not_found, name_taken, disk_deleted, disk_in_use, disk_busy, idempotency_mismatch. */
export const cloneDisk = (
  core: Core,
  caller: Caller,
  id: string,
  { name, size_bytes }: { readonly name: string; readonly size_bytes?: number | undefined },
  idempotency?: Idempotency,
): Answering =>
  request(core, caller, idempotency, async (tx) => {
    const disk = await takeSource(tx, caller, id);
    const made = await newDisk(tx, caller.id, like(disk, { name, size_bytes }));
    await requireFree(tx, disk);
    return openNew(tx, caller.id, { kind: "clone", disk, newDisk: made });
  });

/** As a new disk, also while the old one is in use; or in place, after a snapshot of what that replaces. Throws Problem as cloneDisk does. */
export const restoreDisk = (
  core: Core,
  caller: Caller,
  id: string,
  wish: RestoreDisk,
  idempotency?: Idempotency,
): Answering =>
  request(core, caller, idempotency, (tx) =>
    wish.as === undefined
      ? restoreInPlace(tx, caller, id, wish.snapshot)
      : restoreAsNew(tx, caller, id, wish.snapshot, wish.as),
  );

/** The disk of which another one is made. Names are locked before disks, as everywhere, so that no two wait for each other. */
async function takeSource(tx: Tx, caller: Caller, id: string): Promise<DiskRow> {
  await ownDisk(tx.db, caller, id);
  await lockNames(tx, caller.id);
  return takeOwnDisk(tx, caller, id);
}

/** What a disk that is made of another one has of it. */
const like = (
  { host, size_bytes: old, snapshot_policy, snapshot_every_s }: DiskRow,
  { name, size_bytes = old }: { readonly name: string; readonly size_bytes?: number | undefined },
): Parameters<typeof newDisk>[2] => ({ name, host, size_bytes, snapshot_policy, snapshot_every_s });

async function restoreAsNew(
  tx: Tx,
  caller: Caller,
  id: string,
  snapshotId: string,
  name: string,
): Promise<OperationRow> {
  // Taken, so that its snapshots stay where they are until this is written down.
  const disk = await takeSource(tx, caller, id);
  const made = await newDisk(tx, caller.id, like(disk, { name }));
  await readySnapshot(tx, disk, snapshotId);
  if (disk.deleted_at !== null) await requireFree(tx, disk);
  return openNew(tx, caller.id, { kind: "restore", disk, newDisk: made, locked: made, snapshotId });
}

async function restoreInPlace(tx: Tx, caller: Caller, id: string, snapshotId: string): Promise<OperationRow> {
  const disk = await takeOwnDisk(tx, caller, id);
  await readySnapshot(tx, disk, snapshotId);
  const open = await sameOpen(tx, disk, (o) => o.kind === "restore" && o.snapshot_id === snapshotId);
  if (open) return open;
  const keptId = await newSnapshot(tx, disk, { note: `before the restore of ${id8(snapshotId)}` });
  const { size_bytes: sizeBytes } = disk;
  return openNew(tx, caller.id, { kind: "restore", disk, snapshotId, keptId, volume: newId(), sizeBytes });
}

async function readySnapshot(tx: Tx, disk: DiskRow, id: string): Promise<SnapshotRow> {
  requireKept(disk);
  const row = await findSnapshot(tx.db, id);
  if (row?.disk_id === disk.id && row.state === "ready") return row;
  throw unknownSnapshot(disk, id);
}

export const unknownSnapshot = (disk: DiskRow, id: string): Problem =>
  new Problem("not_found", `disk ${disk.name} has no snapshot ${id} that could be read`, {
    hint: `gpu-dev disk snapshots ${disk.name} lists those that there are`,
  });

/** Asking again for what goes on gets that (B-12); all else has to wait for it. */
async function sameOpen(
  tx: Tx,
  disk: DiskRow,
  same: (operation: OperationRow) => boolean,
  mayBegin = requireFree,
): Promise<OperationRow | undefined> {
  const open = await openOperation(tx, disk);
  if (open && same(open)) return open;
  await mayBegin(tx, disk);
  return undefined;
}

/** One transaction, answered once for each key; then whoever works on disks is woken. */
async function request(
  core: Core,
  caller: Caller,
  idempotency: Idempotency | undefined,
  write: (tx: Tx) => Promise<OperationRow>,
): Answering {
  const answer = await decided(() =>
    core.store.write((tx) => answerOnce(tx, caller, idempotency, async () => viewOperation(await write(tx)))),
  );
  core.signals.emit("wake");
  return answer;
}
