import { type KyselyPlugin, type RootOperationNode, sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allocationsOf, holdersOn, listTaken, release, takenDevices } from "../../src/store/allocations.ts";
import { forgetAudit, listAudit } from "../../src/store/audit.ts";
import { listCapacity } from "../../src/store/capacity.ts";
import { collaboratorsOf, isSharedWith } from "../../src/store/collaborators.ts";
import { openStore, type Store, type Tx } from "../../src/store/db.ts";
import {
  claimOperations,
  listOperations,
  nextOperation,
  openOperations,
} from "../../src/store/disk-operations.ts";
import { disksToPurge, findDiskByName, holdersOf, listDisks } from "../../src/store/disks.ts";
import { forgetAnswers } from "../../src/store/idempotency.ts";
import { listEvents } from "../../src/store/journal.ts";
import { listKeys } from "../../src/store/keys.ts";
import { claimDue, nextDue, renewLeases, settle } from "../../src/store/leases.ts";
import { ALL, markSharing, stampOf, stampPlan, takeChanges } from "../../src/store/plan-changes.ts";
import {
  changedTypes,
  dueStarts,
  listWaiting,
  nextPlannedStart,
  queuePositions,
  savePlaces,
} from "../../src/store/plans.ts";
import { firstWaiters, listWaiters, waitersOf, waitingBeside } from "../../src/store/quota-waiting.ts";
import { countedFor, holdingFor, quotasFor } from "../../src/store/quotas.ts";
import {
  countByState,
  countQueued,
  findReservation,
  listEntered,
  listReservations,
  liveIds,
  nameInUse,
  nextSeq,
} from "../../src/store/reservations.ts";
import { leavingSnapshots, listSnapshots } from "../../src/store/snapshots.ts";
import type { Db } from "../../src/store/tables.ts";
import { membersOf, teamOf } from "../../src/store/teams.ts";
import { findToken, listTokens } from "../../src/store/tokens.ts";
import { listRunning, listUsage } from "../../src/store/usage.ts";
import { listUsers } from "../../src/store/users.ts";
import { engines, type TestDatabase } from "../helpers/engines.ts";

const PLACE = {
  id: "x",
  planned_start_at: null,
  planned_nodes: null,
  promised_start_at: null,
  queue_deadline: "2026-01-01T00:00:00.000Z",
  reason: null,
};

/** The hot statements, as the functions themselves make them. */
const HOT: Record<string, (tx: Tx) => Promise<unknown>> = {
  "claim the next step": (tx) => claimDue(tx, { owner: "me", ms: 1000 }, 10, ["active"]),
  "when the next step is due": (tx) => nextDue(tx.db, ["active", "ending"]),
  "renewing leases": (tx) => renewLeases(tx, { owner: "me", ms: 1000 }, ["x", "y"]),
  "giving leases back": (tx) =>
    settle(
      tx,
      "me",
      ["x", "y"].map((id) => ({ id, version: 1, nextStepAt: tx.at })),
    ),
  "one reservation": (tx) => findReservation(tx.db, "x"),
  "what is shared with a user": (tx) =>
    listReservations(tx.db, { sharedWith: "u", state: "live", limit: 10 }),
  "who has a pod that a key opens": (tx) => listEntered(tx.db, "u"),
  collaborators: (tx) => collaboratorsOf(tx.db, ["x", "y"]),
  "whether it is shared": (tx) => isSharedWith(tx.db, "x", "u"),
  "live reservations of a user": (tx) => listReservations(tx.db, { ownerId: "u", state: "live", limit: 10 }),
  "all reservations of a user": (tx) =>
    listReservations(tx.db, { ownerId: "u", state: "all", after: 9, limit: 10 }),
  "all reservations of a user by their end": (tx) =>
    listReservations(tx.db, { ownerId: "u", state: "all", order: "ends_at", after: "2026", limit: 10 }),
  "a user's expired ones": (tx) => listReservations(tx.db, { ownerId: "u", state: "expired", limit: 10 }),
  "a name": (tx) => nameInUse(tx.db, "u", "n", "x"),
  "the queue of a type": (tx) => listWaiting(tx.db, "h100"),
  "plans that are out of date": (tx) => changedTypes(tx.db),
  "starts that have come": (tx) => dueStarts(tx.db, "2026", "2027"),
  "some who may wait": (tx) => listWaiting(tx.db, "h100", ["x", "y"]),
  "the offers of a type": (tx) => listCapacity(tx.db, "h100"),
  "the offers of some nodes": (tx) => listCapacity(tx.db, "h100", ["a", "b"]),
  "whose plan it is": (tx) => stampOf(tx.db, "h100"),
  "stamping a plan": (tx) => stampPlan(tx, "h100", "stamp"),
  "who shares GPUs": (tx) => markSharing(tx, "change", "h100", [ALL]),
  "what changed of a plan": (tx) => takeChanges(tx, "h100"),
  "the next planned start": (tx) => nextPlannedStart(tx.db, "2026"),
  "places in the queue": (tx) => queuePositions(tx.db, "h100", ["x", "y"]),
  "storing places": (tx) => savePlaces(tx, [PLACE]),
  "what users used lately": (tx) => listUsage(tx.db, ["u", "v"]),
  "what users use now": (tx) => listRunning(tx.db, ["u", "v"]),
  "queue lengths": (tx) => countQueued(tx.db),
  "counts by state": (tx) => countByState(tx.db),
  "the next number": (tx) => nextSeq(tx),
  "allocations of reservations": (tx) => allocationsOf(tx.db, ["x", "y"]),
  "who is on a node": (tx) => holdersOn(tx.db, "a"),
  "giving back": (tx) => release(tx, "x"),
  "what is taken of GPUs, whole or as slices": (tx) => takenDevices(tx.db, ["h100"]),
  "what is taken of some nodes": (tx) => takenDevices(tx.db, ["h100"], ["a", "b"]),
  "what is taken": (tx) => listTaken(tx.db, "h100"),
  history: (tx) => listEvents(tx.db, "x", 3, 10),
  "a token": (tx) => findToken(tx.db, "hash"),
  "a user's tokens": (tx) =>
    listTokens(tx.db, { userId: "u", liveAt: tx.at, before: { at: tx.at, id: "x" }, limit: 10 }),
  "users by name": (tx) => listUsers(tx.db, 10, "a"),
  "live reservations of users": (tx) => liveIds(tx.db, ["u", "v"]),
  "a user's keys": (tx) => listKeys(tx.db, "u", 10),
  "old answers": (tx) => forgetAnswers(tx, "2026-01-01T00:00:00.000Z"),
  "claim the next operation on a disk": (tx) => claimOperations(tx, { owner: "me", ms: 1000 }, 2),
  "when the next operation on a disk is due": (tx) => nextOperation(tx.db),
  "open operations": (tx) => openOperations(tx.db, ["x", "y"]),
  "operations on a disk": (tx) => listOperations(tx.db, "x", "~", 10),
  "who has a disk": (tx) => holdersOf(tx.db, ["x", "y"]),
  "disks of a user": (tx) => listDisks(tx.db, { ownerId: "u", state: "live", order: "name", limit: 10 }),
  "a disk's name": (tx) => findDiskByName(tx.db, "u", "n"),
  "disks to purge": (tx) => disksToPurge(tx.db, "2026-01-01T00:00:00.000Z"),
  "snapshots of a disk": (tx) => listSnapshots(tx.db, "x", "~", 10),
  "snapshots to take away": (tx) => leavingSnapshots(tx.db),
  "the quotas of a user": (tx) => quotasFor(tx.db, "u"),
  "what counts against a quota": (tx) => countedFor(tx.db, ["u", "v"], "2026-01-01T00:00:00.000Z"),
  "what holds GPUs": (tx) => holdingFor(tx.db, ["u", "v"]),
  "some who wait for a quota": (tx) => listWaiters(tx.db, 9, 10),
  "an owner's that wait for a quota": (tx) => waitersOf(tx.db, "u", { most: 4, after: 9, limit: 10 }),
  "the first of owners": (tx) => firstWaiters(tx.db, ["u", "v"]),
  "who waits beside some": (tx) => waitingBeside(tx.db, ["x", "y"]),
  "the team of a user": (tx) => teamOf(tx.db, "u"),
  "the members of teams": (tx) => membersOf(tx.db, ["x", "y"]),
  "audit by time": (tx) => listAudit(tx.db, { since: "2026", until: "2027", limit: 10 }),
  "audit of a user": (tx) =>
    listAudit(tx.db, { actor: "u", since: "2026", after: { at: "2026", id: "x" }, limit: 10 }),
  "audit by action": (tx) => listAudit(tx.db, { action: "token.create", limit: 10 }),
  "audit of a reservation": (tx) => listAudit(tx.db, { subject: "x", limit: 10 }),
  "old audit": (tx) => forgetAudit(tx, "2026", 10),
};

describe.each(engines)("B-05 hot statements use an index on $engine", ({ create, engine }) => {
  let database: TestDatabase;
  let store: Store;
  beforeAll(async () => {
    database = await create();
    store = await openStore({ url: database.url });
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  test.each(Object.entries(HOT))("B-05 %s", async (_name, statement) => {
    const plans = await store.write(async (tx) => {
      const seen: RootOperationNode[] = [];
      await statement({ ...tx, db: tx.db.withPlugin(recorder(seen)) });
      return Promise.all(seen.map((node) => explain(tx.db, node)));
    });
    expect(plans.length).toBeGreaterThan(0);
    // `q` and `place` are rows that the statement itself made.
    const wholeTable = engine === "sqlite" ? /^SCAN (?!q$|place$)\w+$/m : /Seq Scan/;
    for (const plan of plans) expect(plan).not.toMatch(wholeTable);
  });

  async function explain(db: Db, node: RootOperationNode): Promise<string> {
    const { sql: text, parameters } = db.getExecutor().compileQuery(node, { queryId: "plan" });
    // The tables are empty, so that reading them whole would be cheapest: it is allowed only where no index serves.
    if (engine === "postgres") await sql`set local enable_seqscan = off`.execute(db);
    const prefix = engine === "sqlite" ? "explain query plan " : "explain ";
    const { rows } = await db.executeQuery<Record<string, unknown>>({
      sql: prefix + text,
      parameters,
      query: node,
      queryId: { queryId: "plan" },
    } as never);
    return rows.map((row) => String(row.detail ?? row["QUERY PLAN"])).join("\n");
  }
});

function recorder(seen: RootOperationNode[]): KyselyPlugin {
  return {
    transformQuery({ node }) {
      seen.push(node);
      return node;
    },
    transformResult: async ({ result }) => result,
  };
}
