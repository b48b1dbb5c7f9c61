/**
 * What is compared now and then: snapshots with how long they are kept, deleted disks with their time, and what is there with what the
 * rows name. Data that a row names are never touched; what no row names is put aside for 30 days, not deleted (D-05, D-11).
 */
import type { DiskEngine, DiskInventory } from "../../drivers/disks.ts";
import type { Tx } from "../../store/db.ts";
import { allOpenOperations } from "../../store/disk-operations.ts";
import type { OperationRow } from "../../store/disk-tables.ts";
import { disksToPurge, namedVolumes, takeDisk } from "../../store/disks.ts";
import {
  deleteSnapshots,
  leavingSnapshots,
  namedSnapshots,
  snapshotsToLeave,
  updateSnapshot,
} from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";
import { SYSTEM } from "../change.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { countFinding } from "../findings.ts";
import { bounded } from "../pods/pod.ts";
import { openOperation } from "./find.ts";
import { auditDisk, openNew } from "./open.ts";

/** The newest so many of a disk stay, and those that are younger than this. */
const KEEP = 3;
const KEEP_MS = 7 * 86_400_000;
const QUARANTINE_S = 30 * 86_400;

/** One that cannot be moved or removed is logged, and does not keep the others. */
type Watch = (what: string, work: () => Promise<unknown>) => Promise<unknown>;

/** Does it all once; it never rejects. */
export function createDiskSweep(core: Core, conditions: Conditions): () => Promise<void> {
  const { disks: engine } = core;
  if (!engine) return async () => undefined;
  const reported = new Set<string>();
  const watch: Watch = (what, work) => conditions.watch(`disks: ${what}`, `${what} failed`, work);
  return async () => {
    await watch("retiring snapshots", () => retire(core));
    await watch("taking away snapshots", () => takeAway(core, engine, watch));
    await watch("purging disks", () => purge(core));
    await watch("comparing disks with their rows", () => compare(core, engine, watch, reported));
    await watch("emptying the quarantine", () => expire(core, engine));
  };
}

/** Snapshots that nobody keeps are seen no longer, and then taken away. */
async function retire(core: Core): Promise<void> {
  const before = (now: Date) => new Date(now.getTime() - KEEP_MS).toISOString();
  const found = await core.store.read((db, now) => snapshotsToLeave(db, KEEP, before(now)));
  for (const diskId of new Set(found.map((one) => one.disk_id)))
    await core.store.write(async (tx) => {
      // Whoever wants to make a disk of one has taken the row before, or finds it leaving.
      await takeDisk(tx, diskId);
      for (const one of await snapshotsToLeave(tx.db, KEEP, before(tx.now)))
        if (one.disk_id === diskId) await leave(tx, diskId, one);
    });
}

async function leave(tx: Tx, diskId: string, one: { id: string; taken_at: string | null }): Promise<void> {
  await updateSnapshot(tx, one.id, { state: "leaving" });
  await auditDisk(tx, SYSTEM, "snapshot.retire", diskId, `${one.id}, taken at ${one.taken_at}`);
}

async function takeAway(core: Core, engine: DiskEngine, watch: Watch): Promise<void> {
  for (const id of await core.store.read(leavingSnapshots))
    await watch(`taking away snapshot ${id}`, async () => {
      await engine.remove({ snapshot: id });
      await core.store.write((tx) => deleteSnapshots(tx, { id }));
    });
}

/** What cannot be undeleted any more is taken away by an operation. */
async function purge(core: Core): Promise<void> {
  const ids = await core.store.read((db, now) => disksToPurge(db, now.toISOString()));
  for (const id of ids) {
    await core.store.write(async (tx) => {
      const disk = await takeDisk(tx, id);
      const due = disk?.purge_at && disk.purge_at <= tx.at && disk.state !== "gone";
      if (due && !(await openOperation(tx, disk))) await openNew(tx, SYSTEM, { kind: "purge", disk });
    });
    core.signals.emit("wake");
  }
}

interface Named {
  readonly volumes: ReadonlySet<string>;
  readonly snapshots: ReadonlySet<string>;
  /** Of these something may be half made. */
  readonly open: readonly string[];
  /** They should be there. */
  readonly readyVolumes: readonly string[];
  readonly readySnapshots: readonly string[];
}

/** First what is there, then the rows: a row is written before anything is made. */
async function compare(core: Core, engine: DiskEngine, watch: Watch, reported: Set<string>): Promise<void> {
  const there = await bounded("list", engine.list());
  const named = await core.store.read(readNamed);
  for (const id of [...there.disks.filter((id) => !named.volumes.has(id)), ...strays(there, named)])
    await watch(`putting ${id} in quarantine`, async () => {
      await engine.quarantine(id);
      await core.store.write((tx) => countFinding(tx, "stray_disk"));
      core.log("warn", { id }, "a disk or snapshot that no row names was put in quarantine for 30 days");
    });
  for (const name of there.halfMade.filter((name) => !named.open.some((id) => name.includes(id))))
    await watch(`discarding ${name}`, async () => {
      await engine.discardHalfMade(name);
      await core.store.write((tx) => countFinding(tx, "half_made_disk"));
      core.log("info", { name }, "what a crash left half made was discarded");
    });
  await reportMissing(core, engine, there, named, reported);
}

const strays = (there: DiskInventory, named: Named): string[] =>
  there.snapshots.filter((id) => !named.snapshots.has(id));

async function readNamed(db: Db): Promise<Named> {
  const disks = await namedVolumes(db);
  const snapshots = await namedSnapshots(db);
  const operations = await allOpenOperations(db);
  const made = operations.flatMap((operation) => operation.volume ?? []);
  const locked = new Set(operations.map((operation) => operation.locked_id));
  return {
    volumes: new Set([...disks.map((disk) => disk.volume), ...made]),
    snapshots: new Set(snapshots.map((snapshot) => snapshot.id)),
    open: [
      ...operations.flatMap(targetsOf),
      ...disks.flatMap(({ id, volume }) => (locked.has(id) ? [volume] : [])),
    ],
    readyVolumes: disks.filter((disk) => disk.state === "ready").map((disk) => disk.volume),
    readySnapshots: snapshots.filter((snapshot) => snapshot.state === "ready").map(({ id }) => id),
  };
}

const targetsOf = ({ volume, snapshot_id }: OperationRow): string[] =>
  [volume, snapshot_id].filter((id) => id !== null);

/** Nothing can be done about it, but somebody has to know; what became ready since the list was made is there. */
async function reportMissing(
  core: Core,
  engine: DiskEngine,
  there: DiskInventory,
  named: Named,
  reported: Set<string>,
): Promise<void> {
  const missing = async (id: string, is: "disk" | "snapshot", absent: () => Promise<unknown>) => {
    if (reported.has(id) || (await absent()) !== "absent") return;
    await core.store.write((tx) => countFinding(tx, "missing_disk"));
    reported.add(id);
    core.log("error", { id, is }, "a row names data that are not there");
  };
  for (const id of named.readyVolumes.filter((one) => !there.disks.includes(one)))
    await missing(id, "disk", () => engine.measure(id));
  for (const id of named.readySnapshots.filter((one) => !there.snapshots.includes(one)))
    await missing(id, "snapshot", () => engine.contents(id, "", { limit: 1 }));
}

async function expire(core: Core, engine: DiskEngine): Promise<void> {
  for (const name of await engine.expireQuarantine(QUARANTINE_S)) {
    await core.store.write((tx) => auditDisk(tx, SYSTEM, "quarantine.expire", name, null));
    core.log("info", { name }, "what no row has named for 30 days was deleted");
  }
}
