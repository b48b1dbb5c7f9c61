/** What the driver's nodes offer, as last reported. */
import { sql } from "kysely";
import { checkRow } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type CapacityRow, capacityShape } from "./gpu-tables.ts";
import type { Db } from "./tables.ts";

/** All offers; of one type, and of some nodes, where those are given. */
export async function listCapacity(
  db: Db,
  gpuType?: string,
  nodes?: readonly string[],
): Promise<CapacityRow[]> {
  let query = db.selectFrom("capacity").selectAll().orderBy("gpu_type").orderBy("node");
  if (gpuType !== undefined) query = query.where("gpu_type", "=", gpuType);
  if (nodes !== undefined) query = query.where("node", "in", nodes);
  return (await query.execute()).map((row) => checkRow("capacity", capacityShape, row));
}

/**
 * Adds or replaces one node's offer of a type. The indices of GPUs that are cut otherwise now name other parts: while anything of
 * the old cut is held, the old offer stays as it was, not seen any more and so closed, and nothing is given by the new one (S-01).
 */
export async function saveCapacity(tx: Tx, row: CapacityRow): Promise<void> {
  const { node: _n, gpu_type: _t, ...values } = row;
  await tx.db
    .insertInto("capacity")
    .values(row)
    .onConflict((oc) =>
      oc
        .columns(["node", "gpu_type"])
        .doUpdateSet(values)
        .where(({ or, not, exists }) => or([sameCut(row), not(exists(heldOfOffer(tx.db)))])),
    )
    .execute();
}

/** Forgets what is not offered any more; while some of it is still held, it stays as unhealthy. */
export async function dropUnseen(tx: Tx): Promise<void> {
  const gone = tx.db
    .updateTable("capacity")
    .set(({ fn, ref, val }) => ({
      healthy: 0,
      fault: "its driver does not report it any more",
      unhealthy_since: fn.coalesce(ref("unhealthy_since"), val(tx.at)),
    }))
    .where("seen_at", "<", tx.at);
  await gone.execute();
  await tx.db
    .deleteFrom("capacity")
    .where("seen_at", "<", tx.at)
    .where(({ not, exists }) => not(exists(heldOfOffer(tx.db))))
    .execute();
}

/** Forgets nodes, whatever is reported of them, and that nothing new was to go there; what is still held of one stays. */
export async function deleteNodes(tx: Tx, nodes: readonly string[]): Promise<void> {
  await tx.db.deleteFrom("cordons").where("node", "in", nodes).execute();
  await tx.db
    .deleteFrom("capacity")
    .where("node", "in", nodes)
    .where(({ not, exists }) => not(exists(heldOfOffer(tx.db))))
    .execute();
  await tx.db
    .deleteFrom("devices")
    .where("node", "in", nodes)
    .where(
      sql<boolean>`not exists (select 1 from allocations a where a.node = devices.node
        and a.device_type = devices.device_type and a.device_index = devices.device_index)`,
    )
    .execute();
}

const sameCut = (row: CapacityRow) =>
  sql<boolean>`(capacity.per_gpu = ${row.per_gpu} and coalesce(capacity.slice_of, '') = ${row.slice_of ?? ""})`;

/** What is held of the offer that the statement around it is about. */
const heldOfOffer = (db: Db) =>
  db
    .selectFrom("allocations as a")
    .select("a.gpu_index")
    .where(sql<boolean>`a.node = capacity.node and a.gpu_type = capacity.gpu_type`);
