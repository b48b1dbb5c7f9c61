/** The two things that can be watched: a reservation with its history, and a list. */
import { Problem } from "../api/errors.ts";
import type { ReservationEvent } from "../api/reservations.ts";
import { listEvents } from "../store/journal.ts";
import type { Db, ReservationRow } from "../store/tables.ts";
import { isFinal } from "./change.ts";
import type { Core } from "./core.ts";
import { type ListQuery, listIn, viewEvent } from "./listing.ts";
import type { Outlet, Watch } from "./live.ts";
import { type Caller, callerOf } from "./people/access.ts";
import { visibleReservation } from "./people/ownership.ts";
import { viewReservations } from "./view.ts";

/** A token that was revoked, or expired, is noticed after this. */
const RECHECK_MS = 2000;
/** Entries of the history that are sent at once. */
const ENTRIES = 200;

/** Who watches, asked anew again and again. */
export interface Guard {
  /** Throws Problem not_logged_in. */
  caller(db: Db, now: Date): Promise<Caller>;
}

/** For a token that was good a moment ago. */
export function createGuard(token: string | undefined, first: Caller): Guard {
  let known = first;
  let checked = performance.now();
  return {
    async caller(db, now) {
      if (performance.now() - checked < RECHECK_MS) return known;
      known = await callerOf(db, now, token, "going on");
      checked = performance.now();
      return known;
    },
  };
}

const endWith = (outlet: Outlet, problem: Problem): void =>
  outlet.end({ event: "problem", data: JSON.stringify(problem.document()) });

/**
 * One reservation: an `entry` for each one of its history after the version `after`, each once and in order; `reservation` when what is
 * shown of it has changed; and `end` when it is over. Its first look throws not_found, and invalid_input for a version still to come.
 */
export function watchReservation(
  core: Core,
  guard: Guard,
  { id, after }: { readonly id: string; readonly after: number },
  outlet: Outlet,
): Watch {
  let version = after;
  let shown = "";
  let printed = "";
  const send = (news: News): void => {
    for (const entry of news.entries)
      outlet.send({ event: "entry", id: entry.version, data: JSON.stringify(entry) });
    version = news.entries.at(-1)?.version ?? version;
    if (!news.caughtUp) return;
    if (news.view !== shown) outlet.send({ event: "reservation", data: news.view });
    shown = news.view;
    printed = printOf(news.row);
    if (isFinal(news.row))
      outlet.end({ event: "end", data: JSON.stringify({ version, state: news.row.state }) });
  };
  return {
    ready: () => outlet.ready(),
    end: (problem) => endWith(outlet, problem),
    async look(db, now) {
      const caller = await guard.caller(db, now);
      const row = await visibleReservation(db, caller, id);
      if (row.version < version) throw aheadOf(row, version);
      if (printed !== "" && printOf(row) === printed) return nothing;
      const entries = row.version > version ? await listEvents(db, id, version, ENTRIES) : [];
      const [view] = await viewReservations(core, db, [row], caller);
      const news = newsOf(row, version, entries.map(viewEvent), JSON.stringify(view));
      return () => send(news);
    },
  };
}

const nothing = (): void => undefined;

/**
 * The same for a row of which nothing new can be shown, so that most looks cost one statement. What is shown beside the row changes with
 * its version; of one that waits, the place in the queue changes with others'.
 */
const printOf = (row: ReservationRow): string =>
  row.state === "queued"
    ? ""
    : JSON.stringify({ ...row, next_step_at: null, leased_by: null, leased_until: null });

interface News {
  readonly row: ReservationRow;
  readonly entries: readonly ReservationEvent[];
  /** All entries that there are were read. */
  readonly caughtUp: boolean;
  /** JSON of the reservation. */
  readonly view: string;
}

function newsOf(row: ReservationRow, after: number, entries: ReservationEvent[], view: string): News {
  return { row, entries, view, caughtUp: (entries.at(-1)?.version ?? after) === row.version };
}

function aheadOf(row: ReservationRow, after: number): Problem {
  const detail = `${after} is ahead of the history, which has ${row.version} entries`;
  return new Problem("invalid_input", `after: ${detail}`, {
    errors: [{ field: "after", code: "too_big", detail }],
    hint: "resume with the id of the last event of this very reservation",
  });
}

/** A list: `list` with the whole page, first as it is, then each time that it has changed. It has no end of its own. */
export function watchList(core: Core, guard: Guard, query: ListQuery, outlet: Outlet): Watch {
  let shown = "";
  const send = (page: string): void => {
    if (page !== shown) outlet.send({ event: "list", data: page });
    shown = page;
  };
  return {
    ready: () => outlet.ready(),
    end: (problem) => endWith(outlet, problem),
    async look(db, now) {
      const page = JSON.stringify(await listIn(core, db, await guard.caller(db, now), query));
      return () => send(page);
    },
  };
}
