/** The loop's part in the plan: which types are to be planned anew when, and when the next start is due. */
import { changedTypes, dueStarts, nextPlannedStart } from "../../store/plans.ts";
import { countQueued } from "../../store/reservations.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { createAdmission } from "../quotas/admission.ts";
import { decided } from "../race.ts";
import { planAnew } from "./planning.ts";

/** A start that has come and whose place is not free yet is looked at again after this long, beside each change. */
const OVERDUE_CHECK_MS = 30_000;
/** A start is planned from the time at which its transaction began, and seen from its end on: few take longer than this. */
const UNSEEN_MS = 10_000;

export interface Planner {
  /** These reservations were changed. */
  changed(ids: readonly string[]): void;
  /** Makes the plans anew that are out of date, which gives out what starts now; the next start that is planned. */
  look(now: Date): Promise<string | undefined>;
}

/** What a look found; instants in milliseconds since 1970. */
interface Look {
  readonly at: number;
  /** When all starts that have come were looked at last, however long ago they came. */
  readonly allAt: number;
  /** Those that it saw: none is planned twice because it is looked for twice. */
  readonly starts: ReadonlySet<string>;
  /** Types whose plan could not be made then. */
  readonly failed: readonly string[];
}

const NEVER: Look = { at: -Infinity, allAt: -Infinity, starts: new Set(), failed: [] };

export function createPlanner(core: Core, conditions: Conditions): Planner {
  const { store } = core;
  const admission = createAdmission(core);
  let last = NEVER;

  /** At first all types that have a queue, because what they count on may have changed while nobody looked. */
  const find = (now: Date): Promise<{ look: Omit<Look, "failed">; types: Set<string> }> =>
    store.read(async (db) => {
      const at = now.getTime();
      const all = at - last.allAt >= OVERDUE_CHECK_MS;
      const since = all ? "" : new Date(last.at - UNSEEN_MS).toISOString();
      const due = await dueStarts(db, since, now.toISOString());
      const fresh = all ? due : due.filter((row) => !last.starts.has(startOf(row)));
      const outdated = last === NEVER ? (await countQueued(db)).keys() : await changedTypes(db);
      return {
        look: { at, allAt: all ? at : last.allAt, starts: new Set(due.map(startOf)) },
        types: new Set([...last.failed, ...outdated, ...fresh.map((row) => row.gpu_type)]),
      };
    });

  /** A type whose queue cannot be read does not hold up the others. */
  async function planOne(gpuType: string): Promise<boolean> {
    const placed = await conditions.watch(`plan ${gpuType}`, "planning failed", () =>
      decided(() => store.write((tx) => planAnew(tx, core, gpuType), { lock: "schedule" })),
    );
    for (const row of placed ?? []) core.log("info", { reservation_id: row.id, node: row.node }, "placed");
    return placed !== undefined;
  }

  return {
    changed: admission.changed,
    async look(now) {
      await conditions.watch("quotas", "who waits for a quota could not be looked at", admission.look);
      const { look, types } = await find(now);
      const failed: string[] = [];
      for (const gpuType of types) if (!(await planOne(gpuType))) failed.push(gpuType);
      last = { ...look, failed };
      return store.read((db) => nextPlannedStart(db, now.toISOString()));
    },
  };
}

const startOf = (row: { readonly id: string; readonly planned_start_at: string }): string =>
  `${row.id} ${row.planned_start_at}`;
