/** Totals of what leaves no row behind: they go on after a restart and are the same on every server (O-06). */
import { count } from "./columns.ts";
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

/** "unproved": first logins that were tried in vain, by cause. "disk_operation": those that are forgotten, by kind and outcome. */
type TallyName = "finding" | "unproved" | "disk_operation";

/** One more, or so many. */
export async function addTally(tx: Tx, name: TallyName, label: string, more = 1): Promise<void> {
  await tx.db
    .insertInto("tallies")
    .values({ name, label, total: more })
    .onConflict((oc) =>
      oc.columns(["name", "label"]).doUpdateSet((eb) => ({ total: eb("tallies.total", "+", more) })),
    )
    .execute();
}

/** The totals by label; what never happened is not there. */
export async function readTallies(db: Db, name: TallyName): Promise<Map<string, number>> {
  const rows = await db.selectFrom("tallies").select(["label", "total"]).where("name", "=", name).execute();
  return new Map(rows.map((row) => [row.label, count(row.total)]));
}
