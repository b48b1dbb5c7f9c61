/** How much longer an active reservation may run: what its type allows, and what moves nobody who was promised a start. */
import { exactDuration } from "../../api/duration.ts";
import { Problem } from "../../api/errors.ts";
import { allocationsOf } from "../../store/allocations.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { findGpuType } from "../gpus/inventory.ts";
import { latestFreeAt } from "../plan/extension.ts";
import { freeAt } from "./holds.ts";
import { makePlan } from "./planning.ts";

/** One reason for which no extension is longer. */
export interface Bound {
  /** Whole seconds that may still be added; 0 or less for none. */
  readonly mostS: number;
  refusal(): Problem;
}

/** What the type allows in all, with all extensions. */
export async function typeBound(core: Core, db: Db, row: ReservationRow): Promise<Bound> {
  const maximumS = (await findGpuType(core, db, row.gpu_type))?.max_duration_s ?? row.duration_s;
  const mostS = maximumS - row.duration_s;
  const [max, has] = [exactDuration(maximumS), exactDuration(row.duration_s)];
  const detail = `${row.gpu_type} is given for at most ${max} in all, this has ${has}: ${possible(mostS)}`;
  return { mostS, refusal: () => new Problem("over_maximum", detail, tooBig(mostS)) };
}

/** Until the first promised start that needs its places, looked for within `limitS`; `all` says how to take all that there is until an instant. */
export async function promiseBound(
  db: Db,
  row: ReservationRow,
  limitS: number,
  now: Date,
  all: (latest: string) => string,
): Promise<Bound> {
  const mostS = await untilPromised(db, row, limitS, now);
  return { mostS, refusal: () => overPromise(row, mostS, all) };
}

/** Infinity when no promise is in the way within the limit. */
async function untilPromised(db: Db, row: ReservationRow, limitS: number, now: Date): Promise<number> {
  const free = freeAt(row, now.getTime());
  if (free === undefined) return 0;
  const { plan } = await makePlan(db, row.gpu_type, now);
  const nodes = [...new Set((await allocationsOf(db, [row.id])).map((a) => a.node))];
  const limit = free + limitS * 1000;
  const latest = latestFreeAt(plan, { nodes, places: row.places, freeAt: free }, limit);
  return latest >= limit ? Number.POSITIVE_INFINITY : Math.floor((latest - free) / 1000);
}

function overPromise(row: ReservationRow, mostS: number, all: (latest: string) => string): Problem {
  const latest = new Date(Date.parse(row.ends_at ?? "") + mostS * 1000).toISOString();
  return new Problem(
    "over_promise",
    `its GPUs are promised to others: it can last until ${latest}, ${possible(mostS)}`,
    { ...tooBig(mostS), ...(mostS > 0 ? { hint: all(latest) } : {}) },
  );
}

const possible = (seconds: number): string =>
  seconds <= 0 ? "it cannot be extended" : `at most ${exactDuration(seconds)} more is possible`;

const tooBig = (most: number) => ({
  errors: [{ field: "extend_s", code: "too_big", detail: `at most ${Math.max(0, most)}` }],
});
