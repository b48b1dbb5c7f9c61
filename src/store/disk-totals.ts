/** Disks and what is done with them, counted. */
import { sql } from "kysely";
import type { DiskState, OperationKind } from "../api/disks.ts";
import { count } from "./columns.ts";
import type { Db } from "./tables.ts";
import { readTallies } from "./tallies.ts";

interface DiskCount {
  readonly disks: number;
  /** What they may take, and what was on them when that was counted last. */
  readonly sizeBytes: number;
  readonly usedBytes: number;
}

/** By the state that the contract shows; a state that no disk is in is not there. */
export async function countDisks(db: Db): Promise<Map<DiskState, DiskCount>> {
  const state = sql<DiskState>`case
    when d.deleted_at is not null then 'deleted'
    when d.lost_at is not null then 'lost'
    when d.state = 'creating' then 'creating'
    when exists (select 1 from reservations r where r.disk_id = d.id and r.disk_held = 1) then 'in_use'
    when exists (select 1 from disk_operations o where o.locked_id = d.id and o.finished_at is null) then 'busy'
    else 'ready' end`;
  const rows = await db
    .selectFrom("disks as d")
    .where("d.state", "<>", "gone")
    .select([state.as("shown"), (eb) => eb.fn.countAll().as("disks")])
    .select(({ fn }) => [fn.sum("d.size_bytes").as("size"), fn.sum("d.used_bytes").as("used")])
    .groupBy("shown")
    .execute();
  return new Map(
    rows.map(({ shown, disks, size, used }) => [
      shown,
      { disks: count(disks), sizeBytes: count(size ?? 0), usedBytes: count(used ?? 0) },
    ]),
  );
}

/** Bytes of all snapshots that can be restored; each as much as its files would take without shared blocks. */
export async function snapshotBytes(db: Db): Promise<number> {
  const row = await db
    .selectFrom("snapshots as s")
    .innerJoin("disks as d", "d.id", "s.disk_id")
    .where("s.state", "=", "ready")
    .where("d.lost_at", "is", null)
    .select((eb) => eb.fn.sum("s.used_bytes").as("used"))
    .executeTakeFirst();
  return count(row?.used ?? 0);
}

interface OperationCount {
  readonly kind: OperationKind;
  readonly state: "queued" | "running" | "done" | "failed";
  readonly operations: number;
}

/** Of the same kind and state there may be two: those that are there, and those that are forgotten. */
export async function countOperations(db: Db): Promise<OperationCount[]> {
  const state = sql<OperationCount["state"]>`case
    when finished_at is not null then outcome
    when started_at is null then 'queued' else 'running' end`;
  const rows = await db
    .selectFrom("disk_operations")
    .select(["kind", state.as("state"), (eb) => eb.fn.countAll().as("operations")])
    .groupBy(["kind", "state"])
    .execute();
  const forgotten = [...(await readTallies(db, "disk_operation"))].map(([label, operations]) => {
    const [kind, state] = label.split(" ") as [OperationKind, OperationCount["state"]];
    return { kind, state, operations };
  });
  return [
    ...rows.map(({ operations, ...rest }) => ({ ...rest, operations: count(operations) })),
    ...forgotten,
  ];
}
