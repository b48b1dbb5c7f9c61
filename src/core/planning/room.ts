/** How much longer an active reservation may run: what its type allows, and what moves nobody who was promised a start. */
import { allocationsOf } from "../../store/allocations.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { findGpuType } from "../gpus/inventory.ts";
import { latestFreeAt } from "../plan/extension.ts";
import { freeAt } from "./holds.ts";
import { makePlan } from "./planning.ts";

export interface Room {
  /** Seconds up to the type's maximum; 0 or less when it is reached. */
  readonly byType: number;
  readonly maximumS: number;
  /** Whole seconds until the first promised start that needs its places; Infinity when there is none. */
  readonly byPromises: number;
}

/** As the database has it now. */
export async function roomOf(core: Core, db: Db, row: ReservationRow, now: Date): Promise<Room> {
  const maximumS = (await findGpuType(core, db, row.gpu_type))?.max_duration_s ?? row.duration_s;
  const byType = maximumS - row.duration_s;
  return { maximumS, byType, byPromises: await untilPromised(db, row, byType, now) };
}

async function untilPromised(db: Db, row: ReservationRow, mostS: number, now: Date): Promise<number> {
  const free = freeAt(row, now.getTime());
  if (free === undefined) return 0;
  const { plan } = await makePlan(db, row.gpu_type, now);
  const nodes = [...new Set((await allocationsOf(db, [row.id])).map((a) => a.node))];
  const limit = free + mostS * 1000;
  const latest = latestFreeAt(plan, { nodes, places: row.places, freeAt: free }, limit);
  return latest >= limit ? Number.POSITIVE_INFINITY : Math.floor((latest - free) / 1000);
}
