/** How much each user has used lately. */
import { checkRow, type Row } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, reservationShape, usageShape } from "./tables.ts";

type UsageRow = Row<typeof usageShape>;

export async function listUsage(db: Db, userIds: readonly string[]): Promise<UsageRow[]> {
  if (userIds.length === 0) return [];
  const rows = await db.selectFrom("usage").selectAll().where("user_id", "in", userIds).execute();
  return rows.map((row) => checkRow("usage", usageShape, row));
}

/** Keeps what was read from changing until the end of the transaction. */
export const lockUsage = (tx: Tx): Promise<void> => tx.engine.lock(tx.db, "usage");

/** Adds or replaces one user's. */
export async function saveUsage(tx: Tx, row: UsageRow): Promise<void> {
  const { user_id: _, ...values } = row;
  await tx.db
    .insertInto("usage")
    .values(row)
    .onConflict((oc) => oc.column("user_id").doUpdateSet(values))
    .execute();
}

const { owner_id, gpu_count } = reservationShape;
const runningShape = { owner_id, gpu_count, started_at: usageShape.as_of };
type RunningRow = Row<typeof runningShape>;

/** What these users use now: their reservations that have started and are not over. */
export async function listRunning(db: Db, userIds: readonly string[]): Promise<RunningRow[]> {
  if (userIds.length === 0) return [];
  const rows = await db
    .selectFrom("reservations")
    .select(["owner_id", "gpu_count", "started_at"])
    .where("ended_at", "is", null)
    .where("started_at", "is not", null)
    .where("owner_id", "in", userIds)
    .execute();
  return rows.map((row) => checkRow("reservations", runningShape, row));
}
