/** What the driver's nodes offer, as last reported. */
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type CapacityRow, capacityShape, type Db } from "./tables.ts";

export async function listCapacity(db: Db, gpuType?: string): Promise<CapacityRow[]> {
  let query = db.selectFrom("capacity").selectAll().orderBy("gpu_type").orderBy("node");
  if (gpuType !== undefined) query = query.where("gpu_type", "=", gpuType);
  return (await query.execute()).map((row) => checkRow("capacity", capacityShape, row));
}

/** Adds or replaces one node's offer of a type. */
export async function saveCapacity(tx: Tx, row: CapacityRow): Promise<void> {
  const { node: _n, gpu_type: _t, ...values } = row;
  await tx.db
    .insertInto("capacity")
    .values(row)
    .onConflict((oc) => oc.columns(["node", "gpu_type"]).doUpdateSet(values))
    .execute();
}

/** Forgets what is not offered any more; while some of it is still held, it stays as unhealthy. */
export async function dropUnseen(tx: Tx): Promise<void> {
  const gone = tx.db.updateTable("capacity").set({ healthy: 0 }).where("seen_at", "<", tx.at);
  await gone.execute();
  await tx.db
    .deleteFrom("capacity")
    .where("seen_at", "<", tx.at)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom("allocations as a")
            .select("a.gpu_index")
            .whereRef("a.node", "=", "capacity.node")
            .whereRef("a.gpu_type", "=", "capacity.gpu_type"),
        ),
      ),
    )
    .execute();
}
