/** What one that waits could change to start sooner: computed with the plan, never guessed. */

import type { WayToStartSooner } from "../../api/forecast.ts";
import type { GpuType } from "../../api/inventory.ts";
import type { Page } from "../../api/schemas.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { offeredTypes } from "../gpus/inventory.ts";
import type { Caller } from "../people/access.ts";
import { visibleReservation } from "../people/ownership.ts";
import { advice, type OtherType, type Way } from "../plan/advice.ts";
import { LATE_MS } from "../plan/model.ts";
import { makePlan } from "./planning.ts";

const MOST_WAYS = 5;

/** The soonest first; none for what does not wait or starts at its own time. Throws Problem not_found. */
export function adviseReservation(core: Core, caller: Caller, id: string): Promise<Page<WayToStartSooner>> {
  return core.store.read(async (db, now) => {
    const row = await visibleReservation(db, caller, id);
    const items =
      row.state === "queued" && row.not_before === null ? await waysToStart(core, db, row, now) : [];
    return { items, next_cursor: null };
  });
}

async function waysToStart(core: Core, db: Db, row: ReservationRow, now: Date): Promise<WayToStartSooner[]> {
  const types = await offeredTypes(core, db);
  const { plan } = await makePlan(db, row.gpu_type, now);
  return advice(plan, row.id, await otherTypes(types, db, row, now))
    .map((way) => viewWay(types, row, way, now))
    .sort((a, b) => Date.parse(a.latest_start_at) - Date.parse(b.latest_start_at))
    .slice(0, MOST_WAYS);
}

/** Every other type of which one node could hold it. */
async function otherTypes(
  types: readonly GpuType[],
  db: Db,
  row: ReservationRow,
  now: Date,
): Promise<OtherType[]> {
  const able = types.filter((type) => type.name !== row.gpu_type && couldHold(type, row));
  const others: OtherType[] = [];
  for (const { name } of able) {
    const { plan } = await makePlan(db, name, now);
    others.push({ gpuType: name, plan, places: row.gpu_count, nodes: 1 });
  }
  return others;
}

const couldHold = (type: GpuType, row: ReservationRow): boolean =>
  row.gpu_count > 0 && row.gpu_count <= type.max_gpus_per_node && row.duration_s <= type.max_duration_s;

function viewWay(types: readonly GpuType[], row: ReservationRow, way: Way, now: Date): WayToStartSooner {
  const { gpuType = row.gpu_type, durationS, places, nodes, start } = way;
  const change =
    way.gpuType !== undefined ? "gpu_type" : durationS !== row.duration_s ? "duration_s" : "gpu_count";
  return {
    change,
    gpu_type: gpuType,
    gpu_count: row.gpu_count === 0 ? 0 : places * nodes,
    simulated: types.some((type) => type.name === gpuType && type.simulated),
    duration_s: durationS,
    latest_start_at: new Date(start <= now.getTime() ? start : start + LATE_MS).toISOString(),
  };
}
