/** What there is to reserve: GPU types, nodes, and how much of them is free. Its one source is what the driver reports. */
import type { Availability, GpuType } from "../../api/inventory.ts";
import type { Page } from "../../api/schemas.ts";
import { dropUnseen, listCapacity, saveCapacity } from "../../store/capacity.ts";
import type { Tx } from "../../store/db.ts";
import type { CapacityRow } from "../../store/gpu-tables.ts";
import { ALL, markPlan } from "../../store/plan-changes.ts";
import { countQueued } from "../../store/reservations.ts";
import type { Db } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { type PageQuery, pageOfNamed } from "../cursor.ts";
import { newId } from "../ids.ts";
import { newcomerStart } from "../planning/newcomer.ts";
import { strayPods } from "../pods/compare.ts";
import { bounded, driverWords } from "../pods/pod.ts";
import { capacityRow, closedNodes, countPlaces } from "./devices.ts";
import { labelValues } from "./labels.ts";

/** Asks the driver and stores the answer. A driver that cannot be asked (DriverError) leaves what is known. */
export async function syncCapacity(core: Core): Promise<void> {
  const nodes = await bounded("capacity", core.driver.capacity());
  const left = await whereSomethingIsLeft(core);
  await core.store.write(
    async (tx) => {
      const before = await listCapacity(tx.db);
      for (const n of nodes) {
        const row = capacityRow(n, tx.at);
        const old = before.find((one) => one.node === row.node && one.gpu_type === row.gpu_type);
        await saveCapacity(tx, since(old, old?.healthy !== 1 && left(row) ? notYet(row) : row));
      }
      await dropUnseen(tx);
      await markChanges(tx, before, await listCapacity(tx.db));
    },
    { lock: "schedule" },
  );
}

/** On which nodes there may be pods that were given up with them: until those are gone, one that comes back counts as lost (S-01). */
async function whereSomethingIsLeft(core: Core): Promise<(row: CapacityRow) => boolean> {
  try {
    const { givenUp, unasked } = await strayPods(core);
    const hosts = new Set(unasked.map(({ host }) => host));
    return ({ host, node }) => givenUp.length > 0 || hosts.has(host ?? node);
  } catch (error) {
    if (driverWords(error) === undefined) throw error;
    return () => true;
  }
}

const notYet = (row: CapacityRow): CapacityRow => ({
  ...row,
  healthy: 0,
  fault: row.fault ?? "pods that were left there are not known to be gone yet",
});

/** With since when it is not healthy. */
const since = (old: CapacityRow | undefined, row: CapacityRow): CapacityRow => ({
  ...row,
  unhealthy_since: row.healthy === 1 ? null : (old?.unhealthy_since ?? row.seen_at),
});

/** Types of which something else is offered than before: their plans are out of date. */
async function markChanges(tx: Tx, before: readonly CapacityRow[], after: readonly CapacityRow[]) {
  const [old, now] = [byType(before), byType(after)];
  for (const gpuType of new Set([...old.keys(), ...now.keys()]))
    if (offerText(old.get(gpuType)) !== offerText(now.get(gpuType)))
      await markPlan(tx, newId(), gpuType, [ALL]);
}

const offerText = (rows: readonly CapacityRow[] = []): string =>
  JSON.stringify(rows.map(({ seen_at: _, fault: _why, unhealthy_since: _when, ...offer }) => offer));

/** All types by name: what nodes offer, and what the operator describes, be it offered at present or not. */
export async function listGpuTypes(core: Core, query: PageQuery = {}): Promise<Page<GpuType>> {
  const offered = byType(await core.store.read((db) => listCapacity(db)));
  const names = [...new Set([...offered.keys(), ...core.catalogue().keys()])];
  const page = pageOfNamed(names, query, "gpu-types", (name) => name);
  return { ...page, items: page.items.map((name) => viewType(core, name, offered.get(name) ?? [])) };
}

/** Every type that a node offers. */
export async function offeredTypes(core: Core, db: Db): Promise<GpuType[]> {
  return [...byType(await listCapacity(db))].map(([name, nodes]) => viewType(core, name, nodes));
}

/** One type as its nodes offer it together; undefined for a type that nothing offers. */
export async function findGpuType(core: Core, db: Db, name: string): Promise<GpuType | undefined> {
  const nodes = await listCapacity(db, name);
  return nodes.length === 0 ? undefined : viewType(core, name, nodes);
}

export async function gpuTypeNames(db: Db): Promise<string[]> {
  return [...byType(await listCapacity(db)).keys()];
}

const byType = (rows: readonly CapacityRow[]) => Map.groupBy(rows, (row) => row.gpu_type);

/** What the nodes offer together, and what the operator says of it: his maximum goes before the driver's. */
function viewType(core: Core, name: string, nodes: readonly CapacityRow[]): GpuType {
  const said = core.catalogue().get(name);
  const [first] = nodes;
  const gpus = first?.gpus_per_place ?? (said?.withoutGpus ? 0 : 1);
  const most = Math.max(0, ...nodes.map((n) => n.places));
  return {
    name,
    gpus_per_slot: gpus,
    max_gpus_per_node: gpus * most,
    nodes: nodes.length,
    full_nodes: nodes.filter((n) => n.places === most).length,
    max_duration_s: said?.maxDurationS ?? Math.max(0, ...nodes.map((n) => n.max_duration_s)),
    simulated: nodes.some((n) => n.simulated === 1),
    description: said?.description ?? null,
    gpu_memory_bytes: said?.gpuMemory ?? null,
    cpus: said?.cpus ?? null,
    memory_bytes: said?.memory ?? null,
    price_per_hour: said?.pricePerHour ?? null,
    slice_of: first?.slice_of ?? said?.slice?.of ?? null,
    slices_per_gpu: (first?.slice_of ? first.per_gpu : said?.slice?.perGpu) ?? null,
  };
}

/** By type: total = free + used + unavailable. */
export function listAvailability(core: Core, query: PageQuery = {}): Promise<Page<Availability>> {
  return core.store.read(async (db, now) => {
    const queued = await countQueued(db);
    const items: Availability[] = [];
    const page = pageOfNamed([...byType(await listCapacity(db))], query, "availability", ([name]) => name);
    for (const [name, nodes] of page.items) {
      const type = viewType(core, name, nodes);
      const start = await newcomerStart(db, name, now);
      items.push({
        gpu_type: name,
        ...(await countPlaces(db, nodes)),
        closed_nodes: await closedNodes(db, nodes),
        unit: type.gpus_per_slot === 0 ? "place" : "gpu",
        queued: queued.get(name) ?? 0,
        simulated: type.simulated,
        node_labels: labelValues(nodes),
        isolation: core.driver.isolation,
        max_duration_s: type.max_duration_s,
        latest_start_at: start,
      });
    }
    return { ...page, items };
  });
}
