/** Lets those in who wait for room in a quota. It looks at rows and at nothing else, so that whatever made room need not tell. */

import type { Tx } from "../../store/db.ts";
import { markPlan } from "../../store/plan-changes.ts";
import { updateReservation } from "../../store/reservations.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { changeReservation, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { decided } from "../race.ts";
import { newsOfWaiting } from "./room.ts";

/** Under the schedule lock, as creating is: so no two get the same room. What is let in is marked for the next plan of its type. */
export async function admitWaiting(core: Core): Promise<void> {
  if ((await core.store.read(newsOfWaiting)).length === 0) return;
  await decided(() =>
    core.store.write(
      async (tx) => {
        for (const { row, reason } of await newsOfWaiting(tx.db, tx.now))
          await (reason === undefined ? admit(tx, row) : tell(tx, row, reason));
      },
      { lock: "schedule" },
    ),
  );
}

async function admit(tx: Tx, row: ReservationRow): Promise<void> {
  const event = { type: "admitted", detail: "there is room in the quota" };
  await changeReservation(tx, row, { actor: SYSTEM }, event, { waits_for_quota: 0, reason: null });
  await markPlan(tx, newId(), row.gpu_type, [{ about: "reservation", name: row.id }]);
}

/** Why it waits is no change of state. */
async function tell(tx: Tx, { id, version }: ReservationRow, reason: string): Promise<void> {
  if (await updateReservation(tx, { id, version }, { reason })) tx.touched.add(id);
}
