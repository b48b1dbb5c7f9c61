/** Reading reservations: one, many, and the history of one. */
import type { Reservation, ReservationEvent, ReservationOrder, State } from "../api/reservations.ts";
import type { Page } from "../api/schemas.ts";
import { listEvents as listEventRows } from "../store/journal.ts";
import { listReservations as listRows, positionOf } from "../store/reservations.ts";
import type { Db, EventRow, ReservationRow } from "../store/tables.ts";
import type { Core } from "./core.ts";
import { cursorPosition, DEFAULT_LIMIT, type PageQuery, pageOf } from "./cursor.ts";
import type { Caller } from "./people/access.ts";
import { notFound, visibleReservation } from "./people/ownership.ts";
import { viewReservations } from "./view.ts";

export interface ListQuery extends PageQuery {
  readonly state?: "live" | "all" | State | undefined;
  readonly name?: string | undefined;
  readonly id_prefix?: string | undefined;
  readonly gpu_type?: string | undefined;
  readonly sort?: ReservationOrder | undefined;
}

/** Throws Problem not_found. */
export function getReservation(core: Core, caller: Caller, id: string): Promise<Reservation> {
  return core.store.read(async (db) => {
    const [seen] = await viewReservations(core, db, [await visibleReservation(db, caller, id)], caller);
    if (!seen) throw notFound(id);
    return seen;
  });
}

/** The caller's own and those shared with him; those that are live, newest first, unless asked otherwise. */
export const listReservations = (core: Core, caller: Caller, query: ListQuery): Promise<Page<Reservation>> =>
  core.store.read((db) => listIn(core, db, caller, query));

/** The same from the snapshot that `db` sees. */
export async function listIn(
  core: Core,
  db: Db,
  caller: Caller,
  query: ListQuery,
): Promise<Page<Reservation>> {
  const { state = "live", name, id_prefix, gpu_type, sort = "-created_at" } = query;
  const { limit = DEFAULT_LIMIT, cursor } = query;
  const filter = ["reservations", caller.id, state, name, id_prefix, gpu_type, sort];
  const after = sort.endsWith("created_at")
    ? cursorPosition(cursor, filter, "number")
    : cursorPosition(cursor, filter, "text");
  const chosen = { state, name, idPrefix: id_prefix, gpuType: gpu_type };
  const wanted = { ...chosen, order: sort, after, limit: limit + 1 };
  // Two statements, each on an index of its own.
  const own = await listRows(db, { ownerId: caller.id, ...wanted });
  const shared = await listRows(db, { sharedWith: caller.id, ...wanted });
  const rows = [...own, ...shared].toSorted(inOrder(sort)).slice(0, limit + 1);
  const items = await viewReservations(core, db, rows.slice(0, limit), caller);
  return pageOf(rows, items, limit, filter, (row) => [positionOf(row, sort), row.id]);
}

/** As the database sorts. */
function inOrder(sort: ReservationOrder): (a: ReservationRow, b: ReservationRow) => number {
  const sign = sort.startsWith("-") ? -1 : 1;
  return (a, b) => (positionOf(a, sort) < positionOf(b, sort) ? -sign : sign);
}

/** Oldest first. Throws Problem not_found. */
export async function listEvents(
  core: Core,
  caller: Caller,
  id: string,
  query: PageQuery & { readonly after?: number | undefined } = {},
): Promise<Page<ReservationEvent>> {
  const { limit = DEFAULT_LIMIT, cursor } = query;
  const filter = ["events", id];
  const after = cursorPosition(cursor, filter, "number") ?? query.after ?? 0;
  return core.store.read(async (db) => {
    await visibleReservation(db, caller, id);
    const rows = await listEventRows(db, id, after, limit + 1);
    return pageOf(rows, rows.map(viewEvent), limit, filter, (row) => [row.version, row.reservation_id]);
  });
}

/** An entry of the history as the contract shows it. */
export const viewEvent = ({ version, at, type, state, detail }: EventRow): ReservationEvent => ({
  version,
  at,
  type,
  state,
  detail,
});
