/** Statements on webhooks and on what is to be posted to them; what is settled is gone. */
import { sql } from "kysely";
import { checkRow, instant } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type DeliveryRow, deliveryShape, type WebhookRow, webhookShape } from "./tables.ts";

/** Sets it, or replaces it; what waits goes to the new one at once. */
export async function saveWebhook(tx: Tx, row: WebhookRow): Promise<void> {
  const { reservation_id: _, ...rest } = row;
  await tx.db
    .insertInto("webhooks")
    .values(row)
    .onConflict((oc) => oc.column("reservation_id").doUpdateSet(rest))
    .execute();
  await tx.db
    .updateTable("deliveries")
    .set({ next_try_at: tx.at })
    .where("reservation_id", "=", row.reservation_id)
    .execute();
}

/** With what waits for it, which the database deletes along. */
export async function deleteWebhook(tx: Tx, reservationId: string): Promise<void> {
  await tx.db.deleteFrom("webhooks").where("reservation_id", "=", reservationId).execute();
}

/** Those of these reservations. */
export async function webhooksOf(db: Db, ids: readonly string[]): Promise<WebhookRow[]> {
  if (ids.length === 0) return [];
  const rows = await db.selectFrom("webhooks").selectAll().where("reservation_id", "in", ids).execute();
  return rows.map((row) => checkRow("webhooks", webhookShape, row));
}

/** Why the last try failed, null when it was taken; not when another one was set since, which its new secret tells. */
export async function noteWebhook(
  tx: Tx,
  { reservation_id, secret }: WebhookRow,
  lastError: string | null,
): Promise<void> {
  await tx.db
    .updateTable("webhooks")
    .set({ last_error: lastError })
    .where("reservation_id", "=", reservation_id)
    .where("secret", "=", secret)
    .execute();
  tx.touched.add(reservation_id);
}

export async function insertDelivery(tx: Tx, row: DeliveryRow): Promise<void> {
  await tx.db.insertInto("deliveries").values(row).execute();
}

/** What comes next of each reservation: all later ones wait until that is delivered or given up, whoever has it. */
const heads = (db: Db) =>
  db
    .selectFrom("deliveries as d")
    .where(({ exists, not, selectFrom }) =>
      not(
        exists(
          selectFrom("deliveries as earlier")
            .select("earlier.id")
            .whereRef("earlier.reservation_id", "=", "d.reservation_id")
            .whereRef("earlier.version", "<", "d.version"),
        ),
      ),
    );

/** The next instant at which something is to be posted; undefined when nothing waits. */
export async function nextDelivery(db: Db): Promise<string | undefined> {
  const row = await heads(db).select("d.next_try_at").orderBy("d.next_try_at").limit(1).executeTakeFirst();
  return row && checkRow("deliveries", { next_try_at: instant }, row).next_try_at;
}

export interface Claim {
  readonly limit: number;
  /** Of one host at most so many, and none of those that are `busy`. */
  readonly perHost: number;
  readonly busy: readonly string[];
  /** Who claims and dies has it claimed by others then. */
  readonly until: string;
}

/** Takes what is due, the longest due first. The number of tries, which grows with it, tells later who may settle it. */
export async function claimDeliveries(tx: Tx, claim: Claim): Promise<DeliveryRow[]> {
  let places = heads(tx.db)
    .innerJoin("webhooks as w", "w.reservation_id", "d.reservation_id")
    .select(["d.id", sql<number>`row_number() over (partition by w.host order by d.next_try_at)`.as("place")])
    .where("d.next_try_at", "<=", tx.at);
  if (claim.busy.length > 0) places = places.where("w.host", "not in", claim.busy);
  const fair = tx.db.selectFrom(places.as("places")).select("id").where("place", "<=", claim.perHost);
  const due = tx.db
    .selectFrom("deliveries")
    .select("id")
    .where("next_try_at", "<=", tx.at)
    .where("id", "in", fair)
    .orderBy("next_try_at")
    .limit(claim.limit);
  const rows = await tx.db
    .updateTable("deliveries")
    .set((eb) => ({ next_try_at: claim.until, tries: eb("tries", "+", 1) }))
    .where("id", "in", tx.engine.skipLocked(due))
    .returningAll()
    .execute();
  return rows.map((row) => checkRow("deliveries", deliveryShape, row));
}

type Claimed = Pick<DeliveryRow, "id" | "tries">;

/** False when it is somebody else's by now, or was called off. */
export async function deleteDelivery(tx: Tx, { id, tries }: Claimed): Promise<boolean> {
  const done = await tx.db
    .deleteFrom("deliveries")
    .where("id", "=", id)
    .where("tries", "=", tries)
    .executeTakeFirst();
  return done.numDeletedRows > 0n;
}

/** Is tried again then; false when it is somebody else's by now, or was called off; `uncounted` as if it had not been tried. */
export async function postponeDelivery(
  tx: Tx,
  { id, tries }: Claimed,
  next_try_at: string,
  uncounted = false,
): Promise<boolean> {
  const { numUpdatedRows } = await tx.db
    .updateTable("deliveries")
    .set({ next_try_at, ...(uncounted ? { tries: tries - 1 } : {}) })
    .where("id", "=", id)
    .where("tries", "=", tries)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Whether anything waits for this reservation's webhook. */
export async function hasDeliveries(db: Db, reservationId: string): Promise<boolean> {
  const row = await db
    .selectFrom("deliveries")
    .select("id")
    .where("reservation_id", "=", reservationId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}
