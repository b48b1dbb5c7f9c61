/** A core on a database of its own, with a fake driver, a clock that the test moves, and users with keys. */
import { expect, onTestFinished } from "vitest";
import { type Core, type CoreParts, createCore } from "../../src/core/core.ts";
import { createReservation } from "../../src/core/create.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { getReservation } from "../../src/core/listing.ts";
import type { Caller } from "../../src/core/people/access.ts";
import { authenticate } from "../../src/core/people/access.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { registerKey } from "../../src/core/people/keys.ts";
import { createUser } from "../../src/core/people/users.ts";
import type { Probe, ProbeResult } from "../../src/core/pods/probe.ts";
import { createReconciler, type Reconciler } from "../../src/core/reconcile.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import { openStore, type Store } from "../../src/store/db.ts";
import type { Tables } from "../../src/store/tables.ts";
import { createClock, type TestClock } from "../helpers/clock.ts";
import type { TestDatabase } from "../helpers/engines.ts";
import { createFakeDriver, type FakeDriver } from "../helpers/fake-driver.ts";

export interface World<D extends Driver = FakeDriver> {
  readonly core: Core;
  readonly driver: D;
  readonly clock: TestClock;
  readonly ann: Caller;
  readonly bob: Caller;
  readonly logs: { level: string; message: string; fields: Readonly<Record<string, unknown>> }[];
  readonly reconciler: Reconciler;
  /** What the first login gives next; success by default. */
  probe: ProbeResult;
  /** Asked instead of that, where the answer depends on what happened. */
  probeWith?: () => Promise<ProbeResult>;
  /** Moves the clock and waits until all that is due is done. */
  after(ms: number): Promise<void>;
  reserve(given?: Partial<Parameters<typeof createReservation>[2]>, caller?: Caller): Promise<string>;
  show(id: string, caller?: Caller): ReturnType<typeof getReservation>;
  rows<T extends keyof Tables>(table: T): Promise<Tables[T][]>;
}

interface Given {
  readonly driver?: FakeDriver;
  readonly clock?: TestClock;
  /** Parts of the core beside those. */
  readonly parts?: Partial<CoreParts>;
}

/** Closed at the end of the test, which fails if a GPU is held by something that is over. */
export async function makeWorld(database: TestDatabase, given: Given = {}): Promise<World> {
  const clock = given.clock ?? createClock();
  const store = await openStore({ url: database.url, clock });
  const world = await worldOn(store, clock, given.driver ?? createFakeDriver(), given.parts);
  onTestFinished(async () => {
    await world.reconciler.stop();
    await expectNoLeak(world);
    await world.core.tokenUses.written();
    await store.close();
  });
  return world;
}

/** The same, with its reconciler at work. */
export async function makeRunningWorld(database: TestDatabase, given?: Given): Promise<World> {
  const world = await makeWorld(database, given);
  world.reconciler.start();
  await world.reconciler.idle();
  return world;
}

/** Another server on the same store. */
export async function worldOn<D extends Driver>(
  store: Store,
  clock: TestClock,
  driver: D,
  parts: Partial<CoreParts> = {},
): Promise<World<D>> {
  const logs: World["logs"] = [];
  const probe: Probe = async () => world.probeWith?.() ?? world.probe;
  const core = createCore({
    store,
    driver,
    settings: { domain: "gpu.test" },
    log: (level, fields, message) => logs.push({ level, fields, message }),
    probe,
    ...parts,
  });
  await syncCapacity(core);
  const reconciler = createReconciler(core);
  const world: World<D> = {
    core,
    driver,
    clock,
    logs,
    reconciler,
    probe: { ok: true },
    ann: await makeCaller(core, "ann", "admin"),
    bob: await makeCaller(core, "bob", "user"),
    async after(ms) {
      clock.tick(ms);
      await reconciler.idle();
    },
    async reserve(input = {}, caller = world.ann) {
      const made = await createReservation(core, caller, { gpu_type: "h100", duration_s: 3600, ...input });
      return made.reservation.id;
    },
    show: (id, caller = world.ann) => getReservation(core, caller, id),
    rows: <T extends keyof Tables>(table: T) =>
      core.store.read(
        async (db) =>
          (await db
            .selectFrom(table as never)
            .selectAll()
            .execute()) as Tables[T][],
      ),
  };
  return world;
}

/** A user with a key, known by a fresh token; the same user when the name is known. */
async function makeCaller(core: Core, name: string, role: "admin" | "user"): Promise<Caller> {
  const known = await core.store.read((db) =>
    db.selectFrom("users").select("id").where("name", "=", name).executeTakeFirst(),
  );
  const { id } = known ?? (await createUser(core, name, role));
  const { token } = await issueToken(core, id, { label: "test" });
  const caller = await authenticate(core, token);
  if (!known) await registerKey(core, caller, { public_key: newKeyPair().publicKey });
  return caller;
}

async function expectNoLeak(world: World): Promise<void> {
  const live = new Set(
    (await world.rows("reservations")).filter((r) => r.ended_at === null).map((r) => r.id),
  );
  for (const table of ["allocations", "secrets"] as const)
    expect((await world.rows(table)).filter((row) => !live.has(row.reservation_id))).toEqual([]);
}
