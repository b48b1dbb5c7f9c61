/** What there is to reserve: GPU types, nodes, and how much of them is free. Its one source is what the driver reports. */
import type { Availability, GpuType, Page } from "../api/schemas.ts";
import { dropUnseen, listCapacity, saveCapacity } from "../store/capacity.ts";
import { countQueued } from "../store/reservations.ts";
import type { CapacityRow, Db } from "../store/tables.ts";
import type { Core } from "./core.ts";
import { capacityRow, countPlaces } from "./devices.ts";
import { newcomer, planType } from "./placing.ts";
import { bounded } from "./pod.ts";

/** Asks the driver and stores the answer. A driver that cannot be asked (DriverError) leaves what is known. */
export async function syncCapacity(core: Core): Promise<void> {
  const nodes = await bounded("capacity", core.driver.capacity());
  await core.store.write(
    async (tx) => {
      for (const n of nodes) await saveCapacity(tx, capacityRow(n, tx.at));
      await dropUnseen(tx);
    },
    { lock: "schedule" },
  );
}

/** Everything that can be asked for, by type. */
export async function listGpuTypes(core: Core): Promise<Page<GpuType>> {
  const types = byType(await core.store.read((db) => listCapacity(db)));
  return { items: [...types].map(([name, nodes]) => viewType(name, nodes)), next_cursor: null };
}

/** One type as its nodes offer it together; undefined for a type that nothing offers. */
export async function findGpuType(db: Db, name: string): Promise<GpuType | undefined> {
  const nodes = await listCapacity(db, name);
  return nodes.length === 0 ? undefined : viewType(name, nodes);
}

export async function gpuTypeNames(db: Db): Promise<string[]> {
  return [...byType(await listCapacity(db)).keys()];
}

const byType = (rows: readonly CapacityRow[]) => Map.groupBy(rows, (row) => row.gpu_type);

function viewType(name: string, nodes: readonly CapacityRow[]): GpuType {
  const gpus = Math.max(...nodes.map((n) => n.gpus_per_place));
  return {
    name,
    gpus_per_slot: gpus,
    max_gpus_per_node: gpus * Math.max(...nodes.map((n) => n.places)),
    max_duration_s: Math.max(...nodes.map((n) => n.max_duration_s)),
    simulated: nodes.some((n) => n.simulated === 1),
  };
}

/** By type: total = free + used + unavailable. */
export function listAvailability(core: Core): Promise<Page<Availability>> {
  return core.store.read(async (db, now) => {
    const queued = await countQueued(db);
    const items: Availability[] = [];
    for (const [name, nodes] of byType(await listCapacity(db))) {
      const start = await newcomerStart(db, name, now);
      items.push({
        gpu_type: name,
        ...(await countPlaces(db, nodes)),
        unit: viewType(name, nodes).gpus_per_slot === 0 ? "place" : "gpu",
        queued: queued.get(name) ?? 0,
        simulated: viewType(name, nodes).simulated,
        isolation: core.driver.isolation,
        max_duration_s: viewType(name, nodes).max_duration_s,
        estimated_start_at: start?.toISOString() ?? null,
      });
    }
    return { items, next_cursor: null };
  });
}

/** When somebody who comes now and wants one place could start. */
async function newcomerStart(db: Db, gpuType: string, now: Date): Promise<Date | null> {
  const { starts } = await planType(db, gpuType, now, [newcomer("newcomer", Number.MAX_SAFE_INTEGER, 1, 0)]);
  return starts.get("newcomer") ?? null;
}
