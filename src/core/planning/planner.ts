/** The loop's part in the plan: which types are to be planned anew when, and when the next start is due. */
import { nextPlannedStart, typesToPlan } from "../../store/plans.ts";
import { countQueued } from "../../store/reservations.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { decided } from "../race.ts";
import { planAnew } from "./planning.ts";

/** A start that has come and whose place is not free yet is looked at again after this long, beside each change. */
const OVERDUE_CHECK_MS = 30_000;

export interface Planner {
  /** Makes the plans anew that are out of date, which gives out what starts now; the next start that is planned. */
  look(now: Date): Promise<string | undefined>;
}

export function createPlanner(core: Core, conditions: Conditions): Planner {
  const { store } = core;
  let planned: { until: string; overdueUntil: number } | undefined;

  /** At first all that have a queue, because what they count on may have changed while nobody looked. */
  async function types(now: Date): Promise<readonly string[]> {
    if (!planned) return [...(await store.read(countQueued)).keys()];
    const { until, overdueUntil } = planned;
    const again = now.getTime() - overdueUntil >= OVERDUE_CHECK_MS;
    if (again) planned.overdueUntil = now.getTime();
    return store.read((db) => typesToPlan(db, again ? "" : until, now.toISOString()));
  }

  /** A type whose queue cannot be read does not hold up the others. */
  async function planOne(gpuType: string): Promise<boolean> {
    const placed = await conditions.watch(`plan ${gpuType}`, "planning failed", () =>
      decided(() => store.write((tx) => planAnew(tx, core, gpuType), { lock: "schedule" })),
    );
    for (const row of placed ?? []) core.log("info", { reservation: row.id, node: row.node }, "placed");
    return placed !== undefined;
  }

  return {
    async look(now) {
      let all = true;
      for (const gpuType of await types(now)) all = (await planOne(gpuType)) && all;
      const at = now.toISOString();
      // What failed is tried again with the next look.
      if (all) planned = { until: at, overdueUntil: planned?.overdueUntil ?? now.getTime() };
      return store.read((db) => nextPlannedStart(db, at));
    },
  };
}
