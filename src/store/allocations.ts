/**
 * Which GPU is whose: the primary key (node, type, index) is what gives a GPU to one reservation only (S-01), and the reference
 * to devices (device, use) what keeps one that is cut into slices from being given whole as well.
 */
import { sql } from "kysely";
import { checkRow, count, int, type Row, text } from "./columns.ts";
import type { Tx } from "./db.ts";
import { type AllocationRow, allocationShape, type DeviceRow } from "./gpu-tables.ts";
import { type Db, reservationShape } from "./tables.ts";

const checked = (row: object): AllocationRow => checkRow("allocations", allocationShape, row);

/** False when one of them is taken, or its GPU is used as something else; the caller then undoes the transaction. */
export async function allocate(tx: Tx, rows: readonly AllocationRow[]): Promise<boolean> {
  if (!(await claimDevices(tx, rows))) return false;
  const made = await tx.db
    .insertInto("allocations")
    .values(rows)
    .onConflict((oc) => oc.doNothing())
    .returning("gpu_index")
    .execute();
  return made.length === rows.length;
}

/** Only under the schedule lock, so that nobody else turns a GPU into something between the look and the change. */
async function claimDevices(tx: Tx, rows: readonly AllocationRow[]): Promise<boolean> {
  const wanted = new Map<string, DeviceRow>(
    rows.map((row) => [
      deviceKey(row),
      { node: row.node, device_type: row.device_type, device_index: row.device_index, used_as: row.gpu_type },
    ]),
  );
  await tx.db
    .insertInto("devices")
    .values([...wanted.values()])
    .onConflict((oc) => oc.columns(["node", "device_type", "device_index"]).doNothing())
    .execute();
  for (const device of await otherwiseUsed(tx.db, [...wanted.values()]))
    if (!(await turnDevice(tx, device))) return false;
  return true;
}

const deviceKey = (d: Pick<DeviceRow, "node" | "device_type" | "device_index">): string =>
  `${d.node} ${d.device_type} ${d.device_index}`;

/** Those of the wanted devices that are known as something else; seldom any. */
async function otherwiseUsed(db: Db, wanted: readonly DeviceRow[]): Promise<DeviceRow[]> {
  const known = await db
    .selectFrom("devices")
    .select(["node", "device_type", "device_index"])
    .where("node", "in", [...new Set(wanted.map((d) => d.node))])
    .where("device_type", "in", [...new Set(wanted.map((d) => d.device_type))])
    .where("used_as", "not in", [...new Set(wanted.map((d) => d.used_as))])
    .execute();
  const other = new Set(known.map(deviceKey));
  return wanted.filter((device) => other.has(deviceKey(device)));
}

/** Makes a GPU that is known be used as `used_as`; false while it is held as something else. */
async function turnDevice(tx: Tx, { used_as, ...device }: DeviceRow): Promise<boolean> {
  const free = sql<boolean>`(used_as = ${used_as} or not exists (select 1 from allocations a where a.node = devices.node
    and a.gpu_type = devices.used_as and a.device_type = devices.device_type and a.device_index = devices.device_index))`;
  const turned = await tx.db
    .updateTable("devices")
    .set({ used_as })
    .where("node", "=", device.node)
    .where("device_type", "=", device.device_type)
    .where("device_index", "=", device.device_index)
    .where(free)
    .returning("used_as")
    .executeTakeFirst();
  return turned !== undefined;
}

/** Gives back all that a reservation holds, and says on which nodes; doing it again does nothing. */
export async function release(tx: Tx, reservationId: string): Promise<string[]> {
  const given = tx.db.deleteFrom("allocations").where("reservation_id", "=", reservationId);
  const rows = await given.returning("node").execute();
  return [...new Set(rows.map((row) => row.node))];
}

/** By rank, then index. */
export async function allocationsOf(db: Db, ids: readonly string[]): Promise<AllocationRow[]> {
  if (ids.length === 0) return [];
  const rows = await db
    .selectFrom("allocations")
    .selectAll()
    .where("reservation_id", "in", ids)
    .orderBy("node_rank")
    .orderBy("gpu_index")
    .execute();
  return rows.map(checked);
}

const { state, state_since, ends_at, preparing_deadline, duration_s } = reservationShape;
const takenShape = { ...allocationShape, state, state_since, ends_at, preparing_deadline, duration_s };
/** What is taken, and of the reservation that holds it what the plan needs. */
export type Taken = Row<typeof takenShape>;

/** Which reservations hold something on which node, each once. */
export function listHeld(db: Db): Promise<Pick<AllocationRow, "node" | "reservation_id">[]> {
  return db.selectFrom("allocations").select(["node", "reservation_id"]).distinct().execute();
}

const { id, name, owner_id } = reservationShape;
const holderShape = { id, name, owner_id, state, state_since, ends_at, preparing_deadline, duration_s };
/** Who holds something on a node, how much of it, and what tells until when. */
export type Holder = Row<typeof holderShape> & { readonly places: number };

/** Of one node. */
export async function holdersOn(db: Db, node: string): Promise<Holder[]> {
  const held = db
    .selectFrom("allocations")
    .select(["reservation_id", ({ fn }) => fn.countAll().as("n")])
    .where("node", "=", node)
    .groupBy("reservation_id");
  const rows = await db
    .selectFrom(held.as("q"))
    .innerJoin("reservations as r", "r.id", "q.reservation_id")
    .select(["r.id", "r.name", "r.owner_id", "r.state", "r.state_since", "q.n"])
    .select(["r.ends_at", "r.preparing_deadline", "r.duration_s"])
    .execute();
  return rows.map((row) => ({ ...checkRow("reservations", holderShape, row), places: count(row.n) }));
}

/** All that is taken of one type. */
export async function listTaken(db: Db, gpuType: string): Promise<Taken[]> {
  const rows = await taken(db).where("a.gpu_type", "=", gpuType).execute();
  return rows.map(checkedTaken);
}

/** All that is taken of these types' GPUs, whole or as slices; of some nodes only, where they are given. */
export async function takenDevices(
  db: Db,
  deviceTypes: readonly string[],
  nodes?: readonly string[],
): Promise<Taken[]> {
  if (deviceTypes.length === 0) return [];
  let query = taken(db).where("a.device_type", "in", deviceTypes);
  if (nodes) query = query.where("a.node", "in", nodes);
  return (await query.execute()).map(checkedTaken);
}

const taken = (db: Db) =>
  db
    .selectFrom("allocations as a")
    .innerJoin("reservations as r", "r.id", "a.reservation_id")
    .selectAll("a")
    .select(["r.state", "r.state_since", "r.ends_at", "r.preparing_deadline", "r.duration_s"]);

const checkedTaken = (row: object): Taken => checkRow("allocations", takenShape, row);

const holdShape = { node: text, gpu_type: text, gpu_index: int, reservation_id: text, state };

/** Everything that is given, with the state of the reservation that has it. */
export async function listGiven(db: Db): Promise<Row<typeof holdShape>[]> {
  const rows = await db
    .selectFrom("allocations as a")
    .innerJoin("reservations as r", "r.id", "a.reservation_id")
    .select(["a.node", "a.gpu_type", "a.gpu_index", "a.reservation_id", "r.state"])
    .orderBy("a.node")
    .orderBy("a.gpu_type")
    .orderBy("a.gpu_index")
    .execute();
  return rows.map((row) => checkRow("allocations", holdShape, row));
}

/** Of those that should hold GPUs or places the ones that hold another number of them. */
export async function listMiscounted(db: Db): Promise<{ id: string; should: number; holds: number }[]> {
  const rows = await db
    .selectFrom("reservations as r")
    .leftJoin("allocations as a", "a.reservation_id", "r.id")
    .select(["r.id", "r.places", "r.node_count", ({ fn }) => fn.count("a.node").as("n")])
    .where("r.state", "in", ["preparing", "active", "ending"])
    .groupBy(["r.id", "r.places", "r.node_count"])
    .execute();
  return rows
    .map((row) => ({ id: row.id, should: row.places * row.node_count, holds: count(row.n) }))
    .filter(({ should, holds }) => should !== holds);
}
