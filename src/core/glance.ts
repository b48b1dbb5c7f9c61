/**
 * A look at many reservations at once. Nearly always nothing has happened to those that wait or run: they are read in one
 * transaction and rest in another, instead of two commits for each. What has something to do is worked on by itself.
 */
import type { Rest } from "../store/leases.ts";
import { findReadable } from "../store/reservations.ts";
import type { ReservationRow } from "../store/tables.ts";
import { nextStep, type Surroundings } from "./lifecycle.ts";
import { inspect, onlyWaits, surroundings } from "./steps/steps.ts";
import type { Work } from "./steps/work.ts";

/** The states in which nothing happens most of the time. */
export const QUIET_STATES = ["queued", "active"] as const;
/** The states in which each step leads to the next. */
export const BUSY_STATES = ["preparing", "ending"] as const;

/** A pod whose driver takes longer than this is looked at by itself, so that the others need not wait for it. */
const PATIENCE_MS = 5000;
const GRID_MS = 1000;

export interface Glance {
  /** They wait on. */
  readonly rests: readonly Rest[];
  /** They have something to do, or cannot be read. */
  readonly eventful: readonly string[];
}

/** Looks at these reservations, which this process holds leases on. It writes nothing. */
export async function glance(work: Work, ids: readonly string[]): Promise<Glance> {
  const seen = await work.core.store.read(async (db, now) => {
    const found = [];
    for (const row of await findReadable(db, ids))
      if (row.leased_by === work.by.leasedBy)
        found.push({ row, around: await surroundings(work.core, db, row), now });
    return found;
  });
  const looks = await Promise.all(seen.map(({ row, around, now }) => look(work, row, around, now)));
  const rests = looks.filter((rest) => rest !== undefined);
  const resting = new Set(rests.map((rest) => rest.id));
  return { rests, eventful: ids.filter((id) => !resting.has(id)) };
}

/** Until when it rests; undefined when it has something to do. */
async function look(
  work: Work,
  row: ReservationRow,
  around: Surroundings,
  now: Date,
): Promise<Rest | undefined> {
  try {
    let step = nextStep(row, {}, around, now);
    if (step.do === "inspect")
      step = nextStep(row, await inspect(work, row, { patienceMs: PATIENCE_MS }), around, now);
    if (!onlyWaits(row, step)) return undefined;
    return { id: row.id, version: row.version, nextStepAt: onGrid(now.getTime() + step.ms, step.ms) };
  } catch (error) {
    // An error that nobody intended is told, with its reservation, by whoever works on that one alone.
    work.core.log("debug", { reservation_id: row.id, err: error }, "a glance failed");
    return undefined;
  }
}

/** Long pauses end on the whole second before, so that those of many come to one end and are taken together again. */
const onGrid = (atMs: number, pauseMs: number): string =>
  new Date(pauseMs < 2 * GRID_MS ? atMs : atMs - (atMs % GRID_MS)).toISOString();
