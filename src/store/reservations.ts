/** Statements on reservations. Each change names the version that it expects. */
import { sql } from "kysely";
import type { ReservationOrder, State } from "../api/reservations.ts";
import { checkRow, count, fits } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type Db, type ReservationRow, reservationShape } from "./tables.ts";

const checked = (row: object): ReservationRow => checkRow("reservations", reservationShape, row);

/** The number of the newest reservation plus one. Only under the schedule lock, which makes it unique and in order. */
export async function nextSeq(tx: Tx): Promise<number> {
  const row = await tx.db
    .selectFrom("reservations")
    .select("seq")
    .orderBy("seq", "desc")
    .limit(1)
    .executeTakeFirst();
  return (row?.seq ?? 0) + 1;
}

/** Undefined when the owner has a live reservation of that name. */
export async function insertReservation(tx: Tx, row: ReservationRow): Promise<ReservationRow | undefined> {
  const made = await tx.db
    .insertInto("reservations")
    .values(row)
    .onConflict((oc) => oc.columns(["owner_id", "name"]).where(liveAndNamed).doNothing())
    .returningAll()
    .executeTakeFirst();
  return made && checked(made);
}

const liveAndNamed = sql<boolean>`name is not null and ended_at is null`;

export async function findReservation(db: Db, id: string): Promise<ReservationRow | undefined> {
  const row = await db.selectFrom("reservations").selectAll().where("id", "=", id).executeTakeFirst();
  return row && checked(row);
}

/** Those of `ids` that are there and can be read; one that cannot must not stand in the way of the others. */
export async function findReadable(db: Db, ids: readonly string[]): Promise<ReservationRow[]> {
  const rows = await db.selectFrom("reservations").selectAll().where("id", "in", ids).execute();
  return rows.filter((row) => fits(reservationShape, row));
}

/** Whether the owner has another live reservation called `name`. */
export async function nameInUse(db: Db, ownerId: string, name: string, besides: string): Promise<boolean> {
  const row = await db
    .selectFrom("reservations")
    .select("id")
    .where("owner_id", "=", ownerId)
    .where("name", "=", name)
    .where("ended_at", "is", null)
    .where("id", "<>", besides)
    .executeTakeFirst();
  return row !== undefined;
}

export interface Expected {
  readonly id: string;
  readonly version: number;
  /** The lease that the writer holds, if it writes as the one who works on it. */
  readonly leasedBy?: string | undefined;
}

/** Undefined when the row is not as expected any more: nothing was written. */
export async function updateReservation(
  tx: Tx,
  expected: Expected,
  change: Partial<ReservationRow>,
): Promise<ReservationRow | undefined> {
  let statement = tx.db
    .updateTable("reservations")
    .set(change)
    .where("id", "=", expected.id)
    .where("version", "=", expected.version);
  if (expected.leasedBy !== undefined) statement = statement.where("leased_by", "=", expected.leasedBy);
  const row = await statement.returningAll().executeTakeFirst();
  return row && checked(row);
}

export type ReservationFilter = ({ readonly ownerId: string } | { readonly sharedWith: string }) & {
  readonly state: "live" | "all" | State;
  readonly name?: string | undefined;
  readonly idPrefix?: string | undefined;
  readonly gpuType?: string | undefined;
  /** Default: -created_at. */
  readonly order?: ReservationOrder;
  /** Only those behind this position in that order. */
  readonly after?: Position | undefined;
  readonly limit: number;
};

export type Position = number | string;

/** By what each order sorts: no two rows have the same, so that a page can begin behind any of them. */
const POSITIONS = {
  created_at: { sql: sql<Position>`seq`, of: (row: ReservationRow): Position => row.seq },
  ends_at: {
    sql: sql<Position>`coalesce(ends_at, '~') || ' ' || id`,
    of: (row: ReservationRow): Position => `${row.ends_at ?? "~"} ${row.id}`,
  },
};

const fieldOf = (order: ReservationOrder) => (order.endsWith("created_at") ? "created_at" : "ends_at");

/** Where a row stands in this order. */
export const positionOf = (row: ReservationRow, order: ReservationOrder): Position =>
  POSITIONS[fieldOf(order)].of(row);

const idsSharedWith = (db: Db, userId: string) =>
  db.selectFrom("collaborators").select("reservation_id").where("user_id", "=", userId);

export async function listReservations(db: Db, filter: ReservationFilter): Promise<ReservationRow[]> {
  let query = db.selectFrom("reservations").selectAll();
  if ("ownerId" in filter) query = query.where("owner_id", "=", filter.ownerId);
  else query = query.where("id", "in", idsSharedWith(db, filter.sharedWith));
  if (filter.state === "live") query = query.where("ended_at", "is", null);
  else if (filter.state !== "all") query = query.where("state", "=", filter.state);
  if (filter.name !== undefined) query = query.where("name", "=", filter.name);
  if (filter.idPrefix !== undefined)
    query = query.where("id", ">=", filter.idPrefix).where("id", "<", `${filter.idPrefix}~`);
  if (filter.gpuType !== undefined) query = query.where("gpu_type", "=", filter.gpuType);
  const { order = "-created_at", after } = filter;
  const [direction, behind] = order.startsWith("-") ? (["desc", "<"] as const) : (["asc", ">"] as const);
  const position = POSITIONS[fieldOf(order)].sql;
  if (after !== undefined) query = query.where(position, behind, after);
  const rows = await query.orderBy(position, direction).limit(filter.limit).execute();
  return rows.map(checked);
}

/** Those with a pod that this user's keys open: his own, and those shared with him. */
export async function listEntered(db: Db, userId: string): Promise<ReservationRow[]> {
  const own = db.selectFrom("reservations").selectAll().where("owner_id", "=", userId);
  const shared = db.selectFrom("reservations").selectAll().where("id", "in", idsSharedWith(db, userId));
  const withPod = [own, shared].map((query) =>
    query.where("state", "in", ["preparing", "active"]).where("ended_at", "is", null).execute(),
  );
  return (await Promise.all(withPod)).flat().map(checked);
}

/** Of each of these owners, those that have not ended. */
export async function liveIds(db: Db, ownerIds: readonly string[]): Promise<Map<string, string[]>> {
  if (ownerIds.length === 0) return new Map();
  const rows = await db
    .selectFrom("reservations")
    .select(["id", "owner_id"])
    .where("owner_id", "in", ownerIds)
    .where("ended_at", "is", null)
    .execute();
  const byOwner = Map.groupBy(rows, (row) => row.owner_id);
  return new Map([...byOwner].map(([owner, of]) => [owner, of.map((row) => row.id)]));
}

/** Those that are not over and hold something on one of these nodes, or one of these disks; in the order of their ids. */
export async function liveWith(
  db: Db,
  nodes: readonly string[],
  diskIds: readonly string[],
): Promise<ReservationRow[]> {
  const there = db.selectFrom("allocations").select("reservation_id").where("node", "in", nodes);
  const rows = await db
    .selectFrom("reservations")
    .selectAll()
    .where("ended_at", "is", null)
    .where((eb) =>
      eb.or([
        eb("id", "in", there),
        ...(diskIds.length > 0 ? [eb.and([eb("disk_held", "=", 1), eb("disk_id", "in", diskIds)])] : []),
      ]),
    )
    .orderBy("id")
    .execute();
  return rows.map(checked);
}

/** How many wait, by type. */
export async function countQueued(db: Db): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom("reservations")
    .select(["gpu_type", (eb) => eb.fn.countAll().as("n")])
    .where("state", "=", "queued")
    .groupBy("gpu_type")
    .execute();
  return new Map(rows.map((row) => [row.gpu_type, count(row.n)]));
}

/** How many there are and were, by state. */
export async function countByState(db: Db): Promise<Map<State, number>> {
  const rows = await db
    .selectFrom("reservations")
    .select(["state", (eb) => eb.fn.countAll().as("n")])
    .groupBy("state")
    .execute();
  return new Map(rows.map((row) => [row.state, count(row.n)]));
}

/** Since when the one is in its state that has been in it the longest, by state; of those that are not over. */
export async function oldestByState(db: Db): Promise<Map<State, string>> {
  const rows = await db
    .selectFrom("reservations")
    .select(["state", (eb) => eb.fn.min("state_since").as("since")])
    .where("ended_at", "is", null)
    .groupBy("state")
    .execute();
  return new Map(rows.map((row) => [row.state, row.since]));
}

const withPods = (db: Db) => db.selectFrom("reservations").select(["id", "attempt", "node_count"]);

/** The attempt that each of these is at, or ended with; unknown ones are left out. */
export async function attemptsOf(db: Db, ids: readonly string[]): Promise<Map<string, number>> {
  if (ids.length === 0) return new Map();
  const rows = await db.selectFrom("reservations").select(["id", "attempt"]).where("id", "in", ids).execute();
  return new Map(rows.map(({ id, attempt }) => [id, attempt]));
}

/** Which pods, written `<id>-<attempt>` or with a rank behind it, belong to the present attempt of a reservation that is not over. */
export async function livePods(db: Db, ids: readonly string[]): Promise<Set<string>> {
  if (ids.length === 0) return new Set();
  const rows = await withPods(db)
    .where("id", "in", ids)
    .where("state", "in", ["preparing", "active", "ending"])
    .execute();
  return new Set(rows.flatMap(podsOf));
}

/** Those of all that are active: they should be there, each on its node; of several nodes each has its own, which is not told. */
export async function activePods(db: Db): Promise<Map<string, string | undefined>> {
  const rows = await withPods(db).select("node").where("state", "=", "active").execute();
  return new Map(
    rows.flatMap((row) =>
      podsOf(row).map((pod) => [pod, row.node_count === 1 ? (row.node ?? undefined) : undefined]),
    ),
  );
}

const podsOf = ({ id, attempt, node_count: nodes }: Pick<ReservationRow, "id" | "attempt" | "node_count">) =>
  nodes === 1 ? [`${id}-${attempt}`] : Array.from({ length: nodes }, (_, rank) => `${id}-${attempt}-${rank}`);
