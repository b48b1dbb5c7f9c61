/**
 * What is looked at now and then: snapshots with when they are due and how long they are kept, deleted disks with their time, and what
 * is there with what the rows name. Data that a row names are never touched; what no row names is put aside for 30 days, not deleted (D-05, D-11).
 */
import { Recent } from "../../api/recent.ts";
import type { DiskEngine } from "../../drivers/disks.ts";
import type { Tx } from "../../store/db.ts";
import { forgetOperations } from "../../store/disk-operations.ts";
import { disksToPurge, takeDisk, updateDisk } from "../../store/disks.ts";
import {
  deleteSnapshots,
  leavingSnapshots,
  snapshotsToLeave,
  updateSnapshot,
} from "../../store/snapshots.ts";
import type { Db } from "../../store/tables.ts";
import { SYSTEM } from "../change.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { countFinding } from "../findings.ts";
import { compareDisks, isThere, type Volume } from "./compare.ts";
import { openOperation } from "./find.ts";
import { diskEngine } from "./host.ts";
import { vanish } from "./jobs.ts";
import { auditDisk, openNew } from "./open.ts";
import { openDueSnapshots } from "./schedule.ts";

/** The newest so many of a disk stay, and those that are younger than this. */
const KEEP = 3;
const KEEP_MS = 7 * 86_400_000;
/** Longer than from one of those to the next, which counts from the last operation. */
const FORGET_MS = 90 * 86_400_000;
/** At each sweep: a server that was off for long must not hold the database for long. */
const FORGET_AT_ONCE = 1000;
const QUARANTINE_S = 30 * 86_400;
/** Of what is missing, so many are known not to be reported again. */
const MAX_REPORTED = 1000;

/** One that cannot be moved or removed is logged, and does not keep the others. */
type Watch = (what: string, work: () => Promise<unknown>) => Promise<unknown>;

/** Does it all once; it never rejects. */
export function createDiskSweep(core: Core, conditions: Conditions): () => Promise<void> {
  const { disks } = core;
  if (!disks) return async () => undefined;
  const reported = new Recent(MAX_REPORTED);
  const watch: Watch = (what, work) => conditions.watch(`disks: ${what}`, `${what} failed`, work);
  return async () => {
    await watch("beginning snapshots", () => openDueSnapshots(core));
    await watch("retiring snapshots", () => retire(core));
    await watch("taking away snapshots", () => takeAway(core, watch));
    await watch("forgetting old operations", () =>
      core.store.write((tx) => forgetOperations(tx, ago(tx.now, FORGET_MS), FORGET_AT_ONCE)),
    );
    await watch("purging disks", () => purge(core));
    for (const host of disks.names) {
      const where = host === null ? "" : ` on ${host}`;
      await watch(`comparing disks${where} with their rows`, () => compare(core, host, watch, reported));
      await watch(`emptying the quarantine${where}`, () => expire(core, disks.on(host)));
    }
  };
}

/** Snapshots that nobody keeps are seen no longer, and then taken away. */
async function retire(core: Core): Promise<void> {
  const toLeave = (db: Db, now: Date) => snapshotsToLeave(db, KEEP, ago(now, KEEP_MS));
  const found = await core.store.read(toLeave);
  for (const diskId of new Set(found.map((one) => one.disk_id)))
    await core.store.write(async (tx) => {
      // Whoever wants to make a disk of one has taken the row before, or finds it leaving.
      await takeDisk(tx, diskId);
      for (const one of await toLeave(tx.db, tx.now))
        if (one.disk_id === diskId) await leave(tx, diskId, one);
    });
}

const ago = (now: Date, ms: number): string => new Date(now.getTime() - ms).toISOString();

async function leave(tx: Tx, diskId: string, one: { id: string; taken_at: string | null }): Promise<void> {
  await updateSnapshot(tx, one.id, { state: "leaving" });
  await auditDisk(tx, SYSTEM, "snapshot.retire", diskId, `${one.id}, taken at ${one.taken_at}`);
}

async function takeAway(core: Core, watch: Watch): Promise<void> {
  for (const { id, host } of await core.store.read(leavingSnapshots))
    await watch(`taking away snapshot ${id}`, async () => {
      await diskEngine(core, host).remove({ snapshot: id });
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
      if (!due || (await openOperation(tx, disk))) return;
      if (disk.lost_at === null) await openNew(tx, SYSTEM, { kind: "purge", disk });
      else await vanish(tx, id);
    });
    core.signals.emit("wake");
  }
}

async function compare(core: Core, host: string | null, watch: Watch, reported: Recent): Promise<void> {
  const engine = diskEngine(core, host);
  const { unnamed, halfMade, missing, found } = await compareDisks(core, host);
  for (const id of found) await findAgain(core, id);
  for (const { id } of unnamed)
    await watch(`putting ${id} in quarantine`, async () => {
      await engine.quarantine(id);
      await core.store.write((tx) => countFinding(tx, "stray_disk"));
      core.log("warn", { id }, "a disk or snapshot that no row names was put in quarantine for 30 days");
    });
  for (const name of halfMade)
    await watch(`discarding ${name}`, async () => {
      await engine.discardHalfMade(name);
      await core.store.write((tx) => countFinding(tx, "half_made_disk"));
      core.log("info", { name }, "what a crash left half made was discarded");
    });
  for (const volume of missing) await reportMissing(core, engine, volume, reported);
}

/** Its host was given up, and is there again: so is what was on it. */
async function findAgain(core: Core, id: string): Promise<void> {
  await core.store.write(async (tx) => {
    const disk = await takeDisk(tx, id);
    if (!disk || disk.lost_at === null || disk.state === "gone") return;
    await updateDisk(tx, id, { lost_at: null });
    await auditDisk(tx, SYSTEM, "disk.found", id, `node ${disk.host} is there again`);
  });
  core.log("warn", { id }, "a disk that counted as lost with its node is there again");
}

/** Nothing can be done about it, but somebody has to know. */
async function reportMissing(
  core: Core,
  engine: DiskEngine,
  volume: Volume,
  reported: Recent,
): Promise<void> {
  const { id, is } = volume;
  if (reported.has(id) || (await isThere(engine, volume))) return;
  await core.store.write((tx) => countFinding(tx, "missing_disk"));
  reported.set(id, true);
  core.log("error", { id, is }, "a row names data that are not there");
}

async function expire(core: Core, engine: DiskEngine): Promise<void> {
  for (const name of await engine.expireQuarantine(QUARANTINE_S)) {
    await core.store.write((tx) => auditDisk(tx, SYSTEM, "quarantine.expire", name, null));
    core.log("info", { name }, "what no row has named for 30 days was deleted");
  }
}
