/** Quotas, and what counts against them. */
import { checkRow, instant, nullable, type Row } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type QuotaRow, quotaShape } from "./quota-tables.ts";
import { type Db, reservationShape } from "./tables.ts";

const checked = (row: object): QuotaRow => checkRow("quotas", quotaShape, row);

export async function listQuotas(db: Db): Promise<QuotaRow[]> {
  return (await db.selectFrom("quotas").selectAll().execute()).map(checked);
}

/** Those that hold for a user: the default, his own, and his team's; few or none. */
export async function quotasFor(db: Db, userId: string): Promise<QuotaRow[]> {
  const team = db.selectFrom("team_members").select("team_id").where("user_id", "=", userId);
  const rows = await db
    .selectFrom("quotas")
    .selectAll()
    .where(({ and, eb, or }) =>
      or([
        and([eb("kind", "=", "default"), eb("subject", "=", "")]),
        and([eb("kind", "=", "user"), eb("subject", "=", userId)]),
        and([eb("kind", "=", "team"), eb("subject", "=", team)]),
      ]),
    )
    .execute();
  return rows.map(checked);
}

export async function findQuota(
  db: Db,
  kind: QuotaRow["kind"],
  subject: string,
): Promise<QuotaRow | undefined> {
  const query = db.selectFrom("quotas").selectAll().where("kind", "=", kind).where("subject", "=", subject);
  const row = await query.executeTakeFirst();
  return row && checked(row);
}

/** Adds or replaces it. */
export async function saveQuota(tx: Tx, row: QuotaRow): Promise<void> {
  const { kind: _k, subject: _s, ...values } = row;
  await tx.db
    .insertInto("quotas")
    .values(row)
    .onConflict((oc) => oc.columns(["kind", "subject"]).doUpdateSet(values))
    .execute();
}

/** Doing it again does nothing. */
export async function deleteQuota(tx: Tx, kind: QuotaRow["kind"], subject: string): Promise<void> {
  await tx.db.deleteFrom("quotas").where("kind", "=", kind).where("subject", "=", subject).execute();
}

const { id, owner_id, state, gpu_count, duration_s, started_at, ends_at, ending_at } = reservationShape;
const { preparing_deadline, promised_start_at, image, build_id } = reservationShape;
const countedShape = {
  ...{ id, owner_id, state, gpu_count, duration_s, started_at, ends_at, ending_at },
  ...{ preparing_deadline, promised_start_at, image, build_id },
  ended_at: nullable(instant),
};
/** What quotas count of a reservation. */
export type CountedRow = Row<typeof countedShape>;

const COUNTED = [
  ...(["id", "owner_id", "state", "gpu_count", "duration_s", "started_at", "ends_at", "ending_at"] as const),
  ...(["preparing_deadline", "promised_start_at", "ended_at"] as const),
  ...(["image", "build_id"] as const),
] as const;

/** All of these owners that are live, or worked and ended after an instant, with GPUs. */
export async function countedFor(db: Db, owners: readonly string[], since: string): Promise<CountedRow[]> {
  const own = () =>
    db.selectFrom("reservations").select(COUNTED).where("owner_id", "in", owners).where("gpu_count", ">", 0);
  // Two statements, each on an index of its own.
  const live = await own().where("ended_at", "is", null).execute();
  const over = await own().where("ended_at", ">", since).where("started_at", "is not", null).execute();
  return [...live, ...over].map((row) => checkRow("reservations", countedShape, row));
}

/** All of these owners that have a place in the plan or GPUs. */
export async function holdingFor(db: Db, owners: readonly string[]): Promise<CountedRow[]> {
  const rows = await db
    .selectFrom("reservations")
    .select(COUNTED)
    .where("owner_id", "in", owners)
    .where("ended_at", "is", null)
    .where("waits_for_quota", "=", 0)
    .where("gpu_count", ">", 0)
    .execute();
  return rows.map((row) => checkRow("reservations", countedShape, row));
}
