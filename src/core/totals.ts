/** What the database counts: true right after a restart, and the same on every server (O-01, O-06). */
import { FINAL_STATES, STATES, type State } from "../api/reservations.ts";
import { listCapacity } from "../store/capacity.ts";
import { countDisks, countOperations, snapshotBytes } from "../store/disk-totals.ts";
import { countByState, countQueued, oldestByState } from "../store/reservations.ts";
import type { Db } from "../store/tables.ts";
import { readTallies } from "../store/tallies.ts";
import type { Core } from "./core.ts";
import { countPlaces } from "./gpus/devices.ts";

export interface Totals {
  /** Reservations by state, those that are over included; every state is there. */
  readonly reservations: ReadonlyMap<State, number>;
  /** By state, for how many milliseconds the oldest has been in it; what is over is not there. */
  readonly oldest: ReadonlyMap<State, number>;
  /** First logins in vain, by cause. */
  readonly unproved: ReadonlyMap<string, number>;
  readonly findings: ReadonlyMap<string, number>;
  readonly types: readonly TypeTotals[];
  readonly disks: {
    readonly byState: Awaited<ReturnType<typeof countDisks>>;
    readonly snapshotBytes: number;
    readonly operations: Awaited<ReturnType<typeof countOperations>>;
  };
}

interface TypeTotals {
  readonly gpuType: string;
  readonly free: number;
  readonly used: number;
  readonly unavailable: number;
  readonly queued: number;
}

export const LIVE_STATES = STATES.filter((state) => !(FINAL_STATES as readonly State[]).includes(state));

export function readTotals(core: Core): Promise<Totals> {
  return core.store.read(async (db, now) => {
    const byState = await countByState(db);
    const oldest = await oldestByState(db);
    return {
      reservations: new Map(STATES.map((state) => [state, byState.get(state) ?? 0])),
      oldest: new Map(
        [...oldest].map(([state, since]) => [state, Math.max(0, now.getTime() - Date.parse(since))]),
      ),
      unproved: await readTallies(db, "unproved"),
      findings: await readTallies(db, "finding"),
      types: await readTypes(db),
      disks: {
        byState: await countDisks(db),
        snapshotBytes: await snapshotBytes(db),
        operations: await countOperations(db),
      },
    };
  });
}

async function readTypes(db: Db): Promise<TypeTotals[]> {
  const queued = await countQueued(db);
  const types: TypeTotals[] = [];
  for (const [gpuType, nodes] of Map.groupBy(await listCapacity(db), (row) => row.gpu_type)) {
    const { free, used, unavailable } = await countPlaces(db, nodes);
    types.push({ gpuType, free, used, unavailable, queued: queued.get(gpuType) ?? 0 });
  }
  return types;
}
