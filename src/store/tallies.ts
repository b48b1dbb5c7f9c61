/** Totals of what leaves no row behind: they go on after a restart and are the same on every server (O-06). */
import { count } from "./columns.ts";
import type { Tx } from "./db.ts";
import type { Db } from "./tables.ts";

/** "unproved": first logins that were tried in vain, by cause. */
type TallyName = "finding" | "unproved";

/** One more. */
export async function addTally(tx: Tx, name: TallyName, label: string): Promise<void> {
  await tx.db
    .insertInto("tallies")
    .values({ name, label, total: 1 })
    .onConflict((oc) =>
      oc.columns(["name", "label"]).doUpdateSet((eb) => ({ total: eb("tallies.total", "+", 1) })),
    )
    .execute();
}

/** The totals by label; what never happened is not there. */
export async function readTallies(db: Db, name: TallyName): Promise<Map<string, number>> {
  const rows = await db.selectFrom("tallies").select(["label", "total"]).where("name", "=", name).execute();
  return new Map(rows.map((row) => [row.label, count(row.total)]));
}
