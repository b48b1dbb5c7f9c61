/** The stored plan: where each queued reservation was put, and what changed since. */
import { sql } from "kysely";
import { checkRow, count, instant, type Row, text } from "./columns.ts";
import type { Tx } from "./db.ts";
import { diskShape } from "./disk-tables.ts";
import { type Db, reservationShape } from "./tables.ts";

const { gpu_type, gpu_count } = reservationShape;
const { id, seq, owner_id, places, node_count, duration_s, priority, not_before, reason } = reservationShape;
const { planned_start_at, planned_nodes, promised_start_at, queue_deadline, image, build_id, node_labels } =
  reservationShape;
const waitingShape = {
  gpu_type,
  gpu_count,
  ...{ id, seq, owner_id, places, node_count, duration_s, priority, not_before, reason },
  ...{ planned_start_at, planned_nodes, promised_start_at, queue_deadline, image, build_id, node_labels },
  /** Where its disk is; null without one, or with one that all nodes have. */
  disk_host: diskShape.host,
};
/** What the plan needs of one that waits. */
export type WaitingRow = Row<typeof waitingShape>;

/** Written out, because SQLite finds the partial indexes by it and not by a parameter. */
const queued = sql<boolean>`state = 'queued'`;
/** Of these, those that have a part in the plan. */
const admitted = sql<boolean>`waits_for_quota = 0`;

/** All that wait for a type, or those of `ids` that do, first come first. */
export async function listWaiting(db: Db, gpuType: string, ids?: readonly string[]): Promise<WaitingRow[]> {
  if (ids?.length === 0) return [];
  const rows = await db
    .selectFrom("reservations")
    .select([
      "gpu_type",
      "gpu_count",
      "id",
      "seq",
      "owner_id",
      "places",
      "node_count",
      "duration_s",
      "priority",
      "not_before",
      "reason",
    ])
    .select([
      "planned_start_at",
      "planned_nodes",
      "promised_start_at",
      "queue_deadline",
      "image",
      "build_id",
      "node_labels",
    ])
    .select((eb) =>
      eb
        .selectFrom("disks as d")
        .select("d.host")
        .whereRef("d.id", "=", "reservations.disk_id")
        .as("disk_host"),
    )
    .where(queued)
    .where(admitted)
    .where("gpu_type", "=", gpuType)
    .$if(ids !== undefined, (query) => query.where("id", "in", ids ?? []))
    .orderBy("seq")
    .execute();
  return rows.map((row) => checkRow("reservations", waitingShape, row));
}

export type PlaceRow = Pick<
  WaitingRow,
  "id" | "planned_start_at" | "planned_nodes" | "promised_start_at" | "queue_deadline" | "reason"
>;

/** Each takes six parameters, and SQLite has 32,766 for a statement. */
const AT_ONCE = 1000;

/** Stores where these were put; one that does not wait any more is passed over. No version grows: it is no change of state. */
export async function savePlaces(tx: Tx, rows: readonly PlaceRow[]): Promise<void> {
  for (let i = 0; i < rows.length; i += AT_ONCE) {
    const values = rows
      .slice(i, i + AT_ONCE)
      .map(
        (r) =>
          sql`(${r.id}, ${r.planned_start_at}, ${r.planned_nodes}, ${r.promised_start_at}, ${r.queue_deadline}, ${r.reason})`,
      );
    for (const row of rows.slice(i, i + AT_ONCE)) tx.touched.add(row.id);
    await sql`
      with place (id, start_at, nodes, promised, deadline, reason) as (values ${sql.join(values)})
      update reservations set planned_start_at = place.start_at, planned_nodes = place.nodes,
        promised_start_at = place.promised, queue_deadline = place.deadline, reason = place.reason
      from place where reservations.id = place.id and reservations.state = 'queued'`.execute(tx.db);
  }
}

/** The types whose plan is not up to date. */
export async function changedTypes(db: Db): Promise<string[]> {
  const rows = await db.selectFrom("plan_changes").select("gpu_type").distinct().execute();
  return rows.map((row) => row.gpu_type);
}

const dueShape = { id, gpu_type, planned_start_at: instant };

/** The starts that have come since an instant, of those who still wait. */
export async function dueStarts(db: Db, since: string, at: string): Promise<Row<typeof dueShape>[]> {
  const rows = await db
    .selectFrom("reservations")
    .select(["id", "gpu_type", "planned_start_at"])
    .where(queued)
    .where("planned_start_at", ">", since)
    .where("planned_start_at", "<=", at)
    .execute();
  return rows.map((row) => checkRow("reservations", dueShape, row));
}

/** The next start that is planned after an instant. */
export async function nextPlannedStart(db: Db, after: string): Promise<string | undefined> {
  const row = await db
    .selectFrom("reservations")
    .select("planned_start_at")
    .where(queued)
    .where("planned_start_at", ">", after)
    .orderBy("planned_start_at")
    .limit(1)
    .executeTakeFirst();
  return row && checkRow("reservations", { planned_start_at: instant }, row).planned_start_at;
}

/** Places in the queue of a type, from 1, in the order of the planned starts; those without one come last. */
export async function queuePositions(
  db: Db,
  gpuType: string,
  ids: readonly string[],
): Promise<Map<string, number>> {
  const order = sql<string>`row_number() over (order by planned_start_at is null, planned_start_at, seq)`;
  const rows = await db
    .selectFrom((eb) =>
      eb
        .selectFrom("reservations")
        .select(["id", order.as("position")])
        .where(queued)
        .where(admitted)
        .where("gpu_type", "=", gpuType)
        .as("q"),
    )
    .select(["q.id", "q.position"])
    .where("q.id", "in", ids)
    .execute();
  return new Map(rows.map((row) => [checkRow("reservations", { id: text }, row).id, count(row.position)]));
}
