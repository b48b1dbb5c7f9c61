/** The reservations that wait for room in a quota. There may be thousands, so that they are read a few at a time. */
import { sql } from "kysely";
import { checkRow, int, type Row } from "./columns.ts";
import { type Db, reservationShape } from "./tables.ts";

const { id, seq, owner_id, gpu_count, version, reason } = reservationShape;
const waiterShape = { id, seq, owner_id, gpu_count, version, reason };
export type Waiter = Row<typeof waiterShape>;

/** Written out, because SQLite finds the partial indexes by it and not by a parameter. */
const waiting = sql<boolean>`waits_for_quota = 1`;

const waiters = (db: Db) =>
  db
    .selectFrom("reservations")
    .select(["id", "seq", "owner_id", "gpu_count", "version", "reason"])
    .where(waiting);

const checked = (rows: readonly object[]): Waiter[] =>
  rows.map((row) => checkRow("reservations", waiterShape, row));

/** Of everybody, those that came after `after`, in order of arrival. */
export async function listWaiters(db: Db, after: number, limit: number): Promise<Waiter[]> {
  return checked(await waiters(db).where("seq", ">", after).orderBy("seq").limit(limit).execute());
}

/** Those of `ids` that still wait. */
export async function findWaiters(db: Db, ids: readonly string[]): Promise<Waiter[]> {
  if (ids.length === 0) return [];
  return checked(await waiters(db).where("id", "in", ids).execute());
}

/** One owner's that ask for at most `most` GPUs (or any number) and came after `after`, in order of arrival. */
export async function waitersOf(
  db: Db,
  ownerId: string,
  {
    most,
    after,
    limit,
  }: { readonly most: number | undefined; readonly after: number; readonly limit: number },
): Promise<Waiter[]> {
  const own = waiters(db).where("owner_id", "=", ownerId).where("seq", ">", after);
  const small = most === undefined ? own : own.where("gpu_count", "<=", most);
  return checked(await small.orderBy("seq").limit(limit).execute());
}

/** When the first of each of these owners came; without those for whom none waits. */
export async function firstWaiters(
  db: Db,
  owners: readonly string[],
): Promise<{ owner: string; seq: number }[]> {
  const rows = await db
    .selectFrom("reservations")
    .select(["owner_id", (eb) => eb.fn.min("seq").as("first")])
    .where(waiting)
    .where("owner_id", "in", owners)
    .groupBy("owner_id")
    .execute();
  return rows
    .map((row) => checkRow("reservations", { owner_id, first: int }, row))
    .map((row) => ({ owner: row.owner_id, seq: row.first }));
}

/** Who waits, of the owners of these reservations and those who are in a team with one of them. */
export async function waitingBeside(db: Db, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const owners = db.selectFrom("reservations").select("owner_id").where("id", "in", ids);
  const teams = db.selectFrom("team_members").select("team_id").where("user_id", "in", owners);
  const mates = db.selectFrom("team_members").select("user_id").where("team_id", "in", teams);
  const rows = await db
    .selectFrom("reservations")
    .select("owner_id")
    .distinct()
    .where(waiting)
    .where(({ eb, or }) => or([eb("owner_id", "in", owners), eb("owner_id", "in", mates)]))
    .execute();
  return rows.map((row) => checkRow("reservations", { owner_id }, row).owner_id);
}
