/** Reading reservations: one, many, and the history of one. */
import type { Reservation, ReservationEvent, State } from "../api/reservations.ts";
import type { Page } from "../api/schemas.ts";
import { listEvents as listEventRows } from "../store/journal.ts";
import { listReservations as listRows } from "../store/reservations.ts";
import type { Db, EventRow } from "../store/tables.ts";
import type { Core } from "./core.ts";
import { cursorPosition, DEFAULT_LIMIT, pageOf } from "./cursor.ts";
import type { Caller } from "./people/access.ts";
import { notFound, visibleReservation } from "./people/ownership.ts";
import { viewReservations } from "./view.ts";

interface PageQuery {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

export interface ListQuery extends PageQuery {
  readonly state?: "live" | "all" | State | undefined;
  readonly name?: string | undefined;
  readonly id_prefix?: string | undefined;
}

/** Throws Problem not_found. */
export function getReservation(core: Core, caller: Caller, id: string): Promise<Reservation> {
  return core.store.read(async (db) => {
    const [seen] = await viewReservations(core, db, [await visibleReservation(db, caller, id)], caller);
    if (!seen) throw notFound(id);
    return seen;
  });
}

/** The caller's own and those shared with him, newest first; those that are live, unless asked otherwise. */
export const listReservations = (core: Core, caller: Caller, query: ListQuery): Promise<Page<Reservation>> =>
  core.store.read((db) => listIn(core, db, caller, query));

/** The same from the snapshot that `db` sees. */
export async function listIn(
  core: Core,
  db: Db,
  caller: Caller,
  query: ListQuery,
): Promise<Page<Reservation>> {
  const { state = "live", name, id_prefix, limit = DEFAULT_LIMIT, cursor } = query;
  const filter = ["reservations", caller.id, state, name, id_prefix];
  const before = cursorPosition(cursor, filter, "number");
  const wanted = { state, name, idPrefix: id_prefix, beforeSeq: before, limit: limit + 1 };
  // Two statements, each on an index of its own.
  const own = await listRows(db, { ownerId: caller.id, ...wanted });
  const shared = await listRows(db, { sharedWith: caller.id, ...wanted });
  const rows = [...own, ...shared].toSorted((a, b) => b.seq - a.seq).slice(0, limit + 1);
  const items = await viewReservations(core, db, rows.slice(0, limit), caller);
  return pageOf(rows, items, limit, filter, (row) => [row.seq, row.id]);
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
