/** The disks and snapshots that there are, beside those that the rows name (D-11). */
import type { DiskEngine } from "../../drivers/disks.ts";
import { allOpenOperations } from "../../store/disk-operations.ts";
import type { DiskRow, OperationRow } from "../../store/disk-tables.ts";
import { namedVolumes } from "../../store/disks.ts";
import { namedSnapshots } from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { bounded } from "../pods/pod.ts";
import { diskEngine } from "./host.ts";

/** Data by their id. */
export interface Volume {
  readonly id: string;
  readonly is: "disk" | "snapshot";
}

export interface DiskDifferences {
  /** They are there, and no row names them. */
  readonly unnamed: readonly Volume[];
  /** What a crash left, and nothing that is being made. */
  readonly halfMade: readonly string[];
  /** A row says that they are there, and the list has not got them; what became ready since the list was made is there. */
  readonly missing: readonly Volume[];
  /** Ids of disks that counted as lost with their host, and are there. */
  readonly found: readonly string[];
}

interface Named {
  readonly volumes: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
  /** Of these something may be half made. */
  readonly open: readonly string[];
  /** They should be there, on the host that is asked about. */
  readonly ready: readonly Volume[];
  /** They would be there, if the host were not gone for good. */
  readonly lost: readonly Pick<DiskRow, "id" | "volume">[];
}

/** Of one host. First what is there, then the rows: a row is written before anything is made. Throws what the engine does, DriverError after `ms`. */
export async function compareDisks(core: Core, host: string | null, ms?: number): Promise<DiskDifferences> {
  const there = await bounded("list", diskEngine(core, host).list(), ms);
  const named = await core.store.read((db) => readNamed(db, host));
  const present = { disk: new Set(there.disks), snapshot: new Set(there.snapshots) };
  return {
    unnamed: [
      ...there.disks.filter((id) => !named.volumes.has(id)).map((id) => ({ id, is: "disk" }) as const),
      ...there.snapshots
        .filter((id) => !named.snapshots.has(id))
        .map((id) => ({ id, is: "snapshot" }) as const),
    ],
    halfMade: there.halfMade.filter((name) => !named.open.some((id) => name.includes(id))),
    missing: named.ready.filter(({ id, is }) => !present[is].has(id)),
    found: named.lost.filter(({ volume }) => present.disk.has(volume)).map(({ id }) => id),
  };
}

/** Asks for this one alone. */
export async function isThere(engine: DiskEngine, { id, is }: Volume, ms?: number): Promise<boolean> {
  const asked = is === "disk" ? engine.measure(id) : engine.contents(id, "", { limit: 1 });
  return (await bounded(is, asked as Promise<unknown>, ms)) !== "absent";
}

async function readNamed(db: Db, host: string | null): Promise<Named> {
  const disks = await namedVolumes(db);
  const snapshots = await namedSnapshots(db);
  const operations = await allOpenOperations(db);
  const made = operations.flatMap((operation) => operation.volume ?? []);
  const kept = <T extends Pick<DiskRow, "host" | "lost_at"> & { state: string }>(rows: readonly T[]): T[] =>
    rows.filter((row) => row.state === "ready" && row.host === host && row.lost_at === null);
  const locked = new Set(operations.map((operation) => operation.locked_id));
  return {
    volumes: new Set([...disks.map((disk) => disk.volume), ...made]),
    snapshots: new Set(snapshots.map((snapshot) => snapshot.id)),
    open: [
      ...operations.flatMap(targetsOf),
      ...disks.flatMap(({ id, volume }) => (locked.has(id) ? [volume] : [])),
    ],
    ready: [
      ...kept(disks).map(({ volume: id }) => ({ id, is: "disk" }) as const),
      ...kept(snapshots).map(({ id }) => ({ id, is: "snapshot" }) as const),
    ],
    lost: disks.filter((disk) => disk.host === host && disk.lost_at !== null),
  };
}

const targetsOf = ({ volume, snapshot_id, kept_id }: OperationRow): string[] =>
  [volume, snapshot_id, kept_id].filter((id) => id !== null);
