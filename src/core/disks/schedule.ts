/** Snapshots every so often, while a reservation runs with the disk; the one at its end is hold.ts's. */
import { scheduledDisks, takeDisk } from "../../store/disks.ts";
import type { Db } from "../../store/tables.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { openSnapshot } from "./open.ts";

/** Begins those that are due: one for each disk, however many were missed. */
export async function openDueSnapshots(core: Core): Promise<void> {
  for (const id of await core.store.read(dueDisks)) {
    await core.store.write(async (tx) => {
      const disk = await takeDisk(tx, id);
      // Taken: what was due may be begun by another server, or the reservation over by now.
      if (disk && (await dueDisks(tx.db, tx.now)).includes(id)) await openSnapshot(tx, SYSTEM, disk, {});
    });
    core.signals.emit("wake");
  }
}

const dueDisks = async (db: Db, now: Date): Promise<string[]> =>
  (await scheduledDisks(db))
    .filter(({ since, everyS }) => Date.parse(since) + everyS * 1000 <= now.getTime())
    .map(({ id }) => id);
