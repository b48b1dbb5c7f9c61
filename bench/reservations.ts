/** A table of many reservations, as years of use leave it. */

import { sql } from "kysely";
import { newId } from "../src/core/ids.ts";
import { openStore } from "../src/store/db.ts";
import { reservationRow } from "../test/helpers/reservation-row.ts";

const AT_ONCE = 200;

/** Adds `count` that have ended to those of `ownerId`, which are in the database at `url`; the id of one of them. */
export async function fillReservations(url: string, ownerId: string, count: number): Promise<string> {
  const store = await openStore({ url });
  const created = "2026-01-01T00:00:00.000Z";
  let seq = 0;
  let id = "";
  while (seq < count) {
    const rows = Array.from({ length: Math.min(AT_ONCE, count - seq) }, () => {
      id = newId();
      const ended_at = new Date(Date.parse(created) + ++seq * 60_000).toISOString();
      const end = {
        state: "expired",
        end_state: "expired",
        ends_at: ended_at,
        ended_at,
        next_step_at: null,
      } as const;
      return reservationRow(created, { id, seq, owner_id: ownerId, ...end });
    });
    await store.write((tx) => tx.db.insertInto("reservations").values(rows).execute());
  }
  // As PostgreSQL does by itself within a minute or so.
  await store.write((tx) => sql`analyze`.execute(tx.db));
  await store.close();
  return id;
}
