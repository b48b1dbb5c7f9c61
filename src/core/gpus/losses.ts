/** What is on a host that is gone for good, and what becomes of it when it is given up. */
import type { NodeLosses } from "../../api/inventory.ts";
import { listCapacity } from "../../store/capacity.ts";
import { listCordons } from "../../store/cordons.ts";
import { openOperations } from "../../store/disk-operations.ts";
import type { DiskRow, OperationRow } from "../../store/disk-tables.ts";
import { disksOn } from "../../store/disks.ts";
import type { CapacityRow } from "../../store/gpu-tables.ts";
import { liveWith } from "../../store/reservations.ts";
import { countSnapshots } from "../../store/snapshots.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import { userNames } from "../../store/users.ts";

/** The rows that a host leaves. */
export interface Lost {
  readonly host: string;
  readonly offers: readonly CapacityRow[];
  readonly nodes: readonly string[];
  readonly reservations: readonly ReservationRow[];
  readonly disks: readonly DiskRow[];
  readonly operations: readonly OperationRow[];
}

/** The host of a node, or of that name; undefined when nothing is known of it. */
export async function readLost(db: Db, name: string): Promise<Lost | undefined> {
  const all = await listCapacity(db);
  const named = all.find((offer) => offer.node === name);
  const host = named ? hostOf(named) : name;
  const offers = all.filter((offer) => hostOf(offer) === host);
  const cordoned = (await listCordons(db)).some(({ node }) => node === name);
  const disks = await disksOn(db, host);
  if (offers.length === 0 && disks.length === 0 && !cordoned) return undefined;
  const nodes = [...new Set([host, ...offers.map(({ node }) => node)])].sort();
  const diskIds = disks.map(({ id }) => id);
  return {
    host,
    offers,
    nodes,
    reservations: await liveWith(db, nodes, diskIds),
    disks,
    operations: [...(await openOperations(db, diskIds)).values()],
  };
}

const hostOf = ({ host, node }: Pick<CapacityRow, "host" | "node">): string => host ?? node;

/** One that is not ready yet, and whose home is not lost, goes back to the queue by itself (S-07). */
export function becomesOf(row: ReservationRow, { disks }: Pick<Lost, "disks">): Outcome {
  if (row.state === "ending" && row.end_state !== null) return row.end_state;
  const goesOn = row.state === "preparing" && !disks.some(({ id }) => id === row.disk_id);
  return goesOn ? "queued" : "failed";
}

type Outcome = NodeLosses["reservations"][number]["becomes"];

/** Of one that is being made there is nothing yet; of one that is being deleted nobody wants anything. */
export const isGone = (disk: DiskRow, { operations }: Pick<Lost, "operations">): boolean =>
  disk.state === "creating" ||
  operations.some(({ kind, locked_id }) => kind === "purge" && locked_id === disk.id);

/** As the contract shows it, before anything of it is given up. */
export async function viewLosses(db: Db, lost: Lost, configured: boolean): Promise<NodeLosses> {
  const { host, nodes, reservations, disks, operations } = lost;
  const names = await userNames(db, [
    ...new Set([...reservations, ...disks].map(({ owner_id }) => owner_id)),
  ]);
  const snapshots = await countSnapshots(
    db,
    disks.map(({ id }) => id),
  );
  return {
    node: host,
    nodes: [...nodes],
    configured,
    reservations: reservations.map((row) => ({
      id: row.id,
      name: row.name,
      owner: names.get(row.owner_id) ?? "",
      state: row.state,
      becomes: becomesOf(row, lost),
    })),
    disks: disks.map((row) => ({
      id: row.id,
      name: row.name,
      owner: names.get(row.owner_id) ?? "",
      size_bytes: row.size_bytes,
      used_bytes: row.used_bytes,
      last_used_at: row.last_used_at,
      snapshots: snapshots.get(row.id) ?? 0,
      becomes: isGone(row, lost) ? "gone" : "lost",
    })),
    operations: operations.length,
  };
}
