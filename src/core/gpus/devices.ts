/** Places, their indices, and the GPUs behind them: a place is a GPU, a slice of one, or a slot of a type without GPUs. */
import type { ClosedNode } from "../../api/inventory.ts";
import type { NodeCapacity } from "../../drivers/driver.ts";
import { listTaken, type Taken, takenDevices } from "../../store/allocations.ts";
import { listCapacity } from "../../store/capacity.ts";
import { listCordons } from "../../store/cordons.ts";
import type { AllocationRow, CapacityRow, DeviceRow } from "../../store/gpu-tables.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { labelsText } from "./labels.ts";

/** The row of a node's offer. */
export const capacityRow = (n: NodeCapacity, at: string): CapacityRow => ({
  node: n.node,
  gpu_type: n.gpuType,
  slice_of: n.slice?.of ?? null,
  per_gpu: n.slice?.perGpu ?? 1,
  gpus_per_place: n.gpusPerPlace,
  places: n.places,
  indices: n.indices === undefined ? null : JSON.stringify(n.indices),
  healthy: n.healthy ? 1 : 0,
  fault: n.healthy ? null : (n.fault ?? null),
  unhealthy_since: n.healthy ? null : at,
  simulated: n.simulated ? 1 : 0,
  max_duration_s: n.maxDurationS,
  host: n.host ?? null,
  labels: labelsText(n.labels),
  seen_at: at,
});

/** The indices that a node offers of a type. Throws for a row that holds something else. */
export function offeredIndices(row: Pick<CapacityRow, "places" | "indices">): number[] {
  if (row.indices === null) return Array.from({ length: row.places }, (_, i) => i);
  const indices: unknown = JSON.parse(row.indices);
  if (!Array.isArray(indices) || !indices.every((i) => Number.isSafeInteger(i)))
    throw new Error("capacity: the column indices holds no list of numbers");
  return indices as number[];
}

/** The GPU behind a place. */
const deviceOf = (
  row: Pick<CapacityRow, "gpu_type" | "slice_of" | "per_gpu">,
  index: number,
): Pick<DeviceRow, "device_type" | "device_index"> =>
  row.slice_of === null
    ? { device_type: row.gpu_type, device_index: index }
    : { device_type: row.slice_of, device_index: Math.floor(index / row.per_gpu) };

/** Up to so many nodes are asked for by name; of more, all is read. */
const FEW_NODES = 50;

/**
 * Which of a type's offered places are taken, each once. One whose GPU is still used as something else (the operator cut it into
 * slices, or put it together again, while it was in use) is taken by who has the GPU, to the last of them.
 */
export async function takenPlaces(db: Db, offers: readonly CapacityRow[]): Promise<Taken[]> {
  const types = new Set(offers.map((o) => o.slice_of ?? o.gpu_type));
  const nodes = new Set(offers.map((o) => o.node));
  const few = nodes.size <= FEW_NODES ? [...nodes] : undefined;
  const holders = Map.groupBy(await takenDevices(db, [...types], few), deviceKey);
  return offers.flatMap((offer) =>
    offeredIndices(offer).flatMap((gpu_index) => {
      const device = holders.get(deviceKey({ node: offer.node, ...deviceOf(offer, gpu_index) })) ?? [];
      const own = device.find((t) => t.gpu_type === offer.gpu_type && t.gpu_index === gpu_index);
      const other = device
        .filter((t) => t.gpu_type !== offer.gpu_type)
        .toSorted(byEnd)
        .at(-1);
      const taken = own ?? other;
      return taken ? [{ ...taken, gpu_type: offer.gpu_type, gpu_index }] : [];
    }),
  );
}

const deviceKey = (d: DeviceRow | Omit<DeviceRow, "used_as">): string =>
  `${d.node} ${d.device_type} ${d.device_index}`;

/** An end that is not known yet comes after all that are. */
const byEnd = (a: Taken, b: Taken): number =>
  (a.ends_at ?? "9") < (b.ends_at ?? "9") || (a.ends_at === b.ends_at && a.duration_s < b.duration_s)
    ? -1
    : 1;

/**
 * The allocation of a reservation that is placed on these nodes, one rank on each: the lowest free indices. Undefined when a
 * node has not enough of them.
 */
export async function freePlaces(
  db: Db,
  row: Pick<ReservationRow, "id" | "gpu_type" | "places">,
  nodes: readonly string[],
): Promise<AllocationRow[] | undefined> {
  const offers = await listCapacity(db, row.gpu_type, nodes);
  const taken = new Set((await takenPlaces(db, offers)).map((t) => `${t.node} ${t.gpu_index}`));
  const rows: AllocationRow[] = [];
  for (const [node_rank, node] of nodes.entries()) {
    const offer = offers.find((o) => o.node === node);
    const free = offer ? offeredIndices(offer).filter((i) => !taken.has(`${node} ${i}`)) : [];
    if (!offer || free.length < row.places) return undefined;
    const common = { node, gpu_type: row.gpu_type, node_rank, reservation_id: row.id };
    for (const i of free.slice(0, row.places)) rows.push({ ...common, gpu_index: i, ...deviceOf(offer, i) });
  }
  return rows;
}

/** The nodes of these offers that may get something new: healthy, and not cordoned (S-07). */
export async function openNodes(db: Db, offers: readonly CapacityRow[]): Promise<Set<string>> {
  const cordoned = new Set((await listCordons(db)).map((cordon) => cordon.node));
  return new Set(
    offers.filter((offer) => offer.healthy === 1 && !cordoned.has(offer.node)).map(({ node }) => node),
  );
}

const MOST_TOLD = 20;

/** Those of the nodes of one type that may not, with the reason; some, where they are many. */
export async function closedNodes(db: Db, offers: readonly CapacityRow[]): Promise<ClosedNode[]> {
  const cordons = new Map((await listCordons(db)).map((cordon) => [cordon.node, cordon]));
  const closed = offers.flatMap(({ node, healthy, fault, unhealthy_since }): ClosedNode[] => {
    if (healthy === 0) return [{ name: node, why: fault ?? "it is not healthy", since: unhealthy_since }];
    const cordon = cordons.get(node);
    return cordon ? [{ name: node, why: "it is cordoned", since: cordon.since }] : [];
  });
  return closed.slice(0, MOST_TOLD);
}

/** How many places of a type there are: total = free + used + unavailable. */
export async function countPlaces(db: Db, offers: readonly CapacityRow[]) {
  const counts = { total: 0, free: 0, used: 0, unavailable: 0 };
  const held = await listTaken(db, offers[0]?.gpu_type ?? "");
  const taken = await takenPlaces(db, offers);
  const giving = await openNodes(db, offers);
  for (const offer of offers) {
    // A node that shrank may hold more than it offers now, until those end.
    const used = held.filter((t) => t.node === offer.node).length;
    const open = giving.has(offer.node)
      ? offer.places - taken.filter((t) => t.node === offer.node).length
      : 0;
    counts.total += Math.max(offer.places, used + open);
    counts.used += used;
    counts.free += open;
  }
  counts.unavailable = counts.total - counts.free - counts.used;
  return counts;
}
