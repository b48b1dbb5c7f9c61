/** What is done with a disk at once: renaming, deleting, bringing back, and taking it from a reservation whose end hangs. */
import type { Disk, PatchDisk } from "../../api/disks.ts";
import { Problem } from "../../api/errors.ts";
import type { Tx } from "../../store/db.ts";
import type { DiskRow } from "../../store/disk-tables.ts";
import { findDisk, holdersOf, takeDisk, updateDisk } from "../../store/disks.ts";
import { findReservation } from "../../store/reservations.ts";
import { changeReservation } from "../change.ts";
import type { Core } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { decided } from "../race.ts";
import type { Versions } from "../versions.ts";
import { busy, openOperation, ownDisk, requireFree, takeOwnDisk, unknownDisk } from "./find.ts";
import { auditDisk, requireName } from "./open.ts";
import { viewDisk } from "./view.ts";

/** For so long a deleted disk can be brought back (D-04). */
const UNDELETE_MS = 30 * 86_400_000;

/** Also while it is in use. Throws Problem not_found, precondition_failed, name_taken, disk_deleted. */
export const patchDisk = (
  core: Core,
  caller: Caller,
  id: string,
  patch: PatchDisk,
  at?: Versions,
): Promise<Disk> =>
  change(core, async (tx) => {
    await ownDisk(tx.db, caller, id);
    // Names are locked before disks, by everybody.
    if (patch.name !== undefined) await requireName(tx, caller.id, patch.name, id);
    const disk = await takeOwnDisk(tx, caller, id, at);
    if (disk.deleted_at !== null) await requireFree(tx, disk);
    const change = { name: patch.name ?? disk.name, ...schedule(disk, patch) };
    const changed = await updateDisk(tx, id, change);
    await auditDisk(tx, caller.id, "disk.change", id, JSON.stringify(change));
    return changed;
  });

/** Who asks for one now and then does not mean never, and the other way round. */
function schedule(disk: DiskRow, patch: PatchDisk): Pick<DiskRow, "snapshot_policy" | "snapshot_every_s"> {
  const { snapshot_policy: wish, snapshot_every_s: everyS } = patch;
  const snapshot_policy = wish ?? (typeof everyS === "number" ? "on_end" : disk.snapshot_policy);
  const snapshot_every_s = everyS === undefined ? disk.snapshot_every_s : everyS;
  return { snapshot_policy, snapshot_every_s: snapshot_policy === "never" ? null : snapshot_every_s };
}

/** For 30 days it can be undeleted; its name is free at once (D-04). Doing it again does nothing. Throws Problem not_found, precondition_failed, disk_in_use, disk_busy. */
export const deleteDisk = (core: Core, caller: Caller, id: string, at?: Versions): Promise<Disk> =>
  change(core, async (tx) => {
    const before = await ownDisk(tx.db, caller, id);
    if (before.deleted_at !== null) return before;
    const disk = await takeOwnDisk(tx, caller, id, at);
    if (disk.deleted_at !== null) return disk;
    // Of a lost one nothing is left to be in anybody's way.
    if (disk.lost_at === null) await requireFree(tx, disk);
    const purge_at = new Date(tx.now.getTime() + UNDELETE_MS).toISOString();
    await auditDisk(tx, caller.id, "disk.delete", id, `can be undeleted until ${purge_at}`);
    return updateDisk(tx, id, { deleted_at: tx.at, purge_at });
  });

/** Doing it again does nothing. Throws Problem not_found, name_taken when the name was given anew, disk_busy while it is purged. */
export const undeleteDisk = (
  core: Core,
  caller: Caller,
  id: string,
  { name: wish }: { readonly name?: string | undefined },
): Promise<Disk> =>
  change(core, async (tx) => {
    const before = await ownDisk(tx.db, caller, id);
    if (before.deleted_at === null) return before;
    const name = wish ?? before.name;
    // It has the name itself when somebody brought it back since it was read.
    await requireName(tx, caller.id, name, id).catch((error: unknown) =>
      Promise.reject(withWish(error, wish)),
    );
    const disk = await takeOwnDisk(tx, caller, id);
    if (disk.deleted_at === null) return disk;
    const operation = await openOperation(tx, disk);
    if (operation) throw busy(disk, operation);
    await auditDisk(tx, caller.id, "disk.undelete", id, name);
    return updateDisk(tx, id, { name, deleted_at: null, purge_at: null });
  });

/** Who did not choose a name learns how to. */
function withWish(error: unknown, wish: string | undefined): unknown {
  if (!(error instanceof Problem) || error.code !== "name_taken" || wish !== undefined) return error;
  const detail = `${error.message}, since the deleted one's name was free`;
  return new Problem("name_taken", detail, { hint: "give the deleted one another name", cause: error });
}

/**
 * Takes the disk from a reservation that is being ended but does not come to its end; no snapshot follows, because its pod may still be
 * there. Throws Problem not_found, not_allowed, and disk_in_use when its reservation has not been ended.
 */
export const unlockDisk = (core: Core, caller: Caller, id: string): Promise<Disk> =>
  change(core, async (tx) => {
    await requireAdmin(tx, caller, id);
    const disk = await takeDisk(tx, id);
    if (!disk) throw unknownDisk(id);
    const holder = (await holdersOf(tx.db, [id])).get(id);
    const reservation = holder && (await findReservation(tx.db, holder.id));
    if (!reservation) return disk;
    if (reservation.state !== "ending") await requireFree(tx, disk);
    const detail = `disk ${disk.name} was taken away by an administrator`;
    await changeReservation(
      tx,
      reservation,
      { actor: caller.id },
      { type: "unlocked", detail },
      { disk_held: 0 },
    );
    await auditDisk(tx, caller.id, "disk.unlock", id, `from reservation ${reservation.id}`);
    return disk;
  });

/** Who may not even see it is told what he is told of an unknown one. */
async function requireAdmin(tx: Tx, caller: Caller, id: string): Promise<void> {
  if (caller.role === "admin" && (await findDisk(tx.db, id))?.state !== "gone") return;
  await ownDisk(tx.db, caller, id);
  throw new Problem("not_allowed", "only administrators take a disk from a reservation", {
    hint: "cancel the reservation that has it",
  });
}

async function change(core: Core, write: (tx: Tx) => Promise<DiskRow>): Promise<Disk> {
  const changed = await decided(() => core.store.write(async (tx) => viewDisk(core, tx.db, await write(tx))));
  core.signals.emit("wake");
  return changed;
}
