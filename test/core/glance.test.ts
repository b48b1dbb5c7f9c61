import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { openStore } from "../../src/store/db.ts";
import { engines, freshDatabases, type TestDatabase } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

describe.each(engines)("many reservations at a glance on $engine", ({ create, engine }) => {
  let database: TestDatabase;
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    database = await fresh();
    world = await makeWorld(database, { driver: createFakeDriver([h100(60)]) });
  });

  const states = async () => {
    const rows = await world.rows("reservations");
    return Map.groupBy(rows, (r) => r.state);
  };

  /** Lets `act` happen while the pods of a glance are being looked at. */
  function during(act: () => Promise<unknown>) {
    const done = Promise.withResolvers<unknown>();
    world.driver.before = async (verb) => {
      if (verb !== "inspect") return;
      world.driver.before = undefined;
      await act().then(done.resolve, done.reject);
    };
    return done.promise;
  }

  test("L-11 a dead pod among fifty quiet ones is noticed, and the others cost few writes", async () => {
    world.reconciler.start();
    const ids = await Promise.all(Array.from({ length: 50 }, () => world.reserve()));
    await world.after(0);
    await world.after(8000);
    expect((await states()).get("active")).toHaveLength(50);
    const writes = vi.spyOn(world.core.store, "write");
    await world.after(8000);
    // The claim, the leases given back, and the passes that found nothing to claim.
    expect(writes.mock.calls.length).toBeLessThan(25);
    const dies = world.driver.pods.get(`${ids[7]}-1`);
    if (dies) dies.view = { state: "dead", reason: "killed by signal 9" };
    await world.after(8000);
    expect(await world.show(ids[7] ?? "")).toMatchObject({ state: "failed" });
    expect((await states()).get("active")).toHaveLength(49);
    const leased = (await world.rows("reservations")).filter((r) => r.leased_by !== null);
    expect(leased).toEqual([]);
  });

  test("L-02 what is changed while it is looked at is not put to rest", async () => {
    world.reconciler.start();
    const id = await world.reserve();
    const renamed = await world.reserve();
    await world.after(0);
    const meanwhile = during(async () => {
      await cancelReservation(world.core, world.ann, id);
      await patchReservation(world.core, world.ann, renamed, { name: "other" });
    });
    await world.after(8000);
    await meanwhile;
    await world.after(0);
    expect((await world.show(id)).state).toBe("cancelled");
    expect(await world.show(renamed)).toMatchObject({ state: "active", name: "other" });
  });

  test("one that cannot be read does not stand in the way of the others", async () => {
    world.reconciler.start();
    const [bad, fine] = [await world.reserve(), await world.reserve()];
    await world.after(0);
    const setCreated = (created_at: string) =>
      world.core.store.write(({ db }) =>
        db.updateTable("reservations").set({ created_at }).where("id", "=", bad).execute(),
      );
    await setCreated("yesterday");
    const pod = world.driver.pods.get(`${fine}-1`);
    if (pod) pod.view = { state: "dead", reason: "gone" };
    await world.after(8000);
    expect((await world.show(fine)).state).toBe("failed");
    expect(world.logs.find((l) => l.level === "error")?.fields.reservation_id).toBe(bad);
    await setCreated(world.clock.now().toISOString());
  });

  test("L-05 L-16 the work of a server that died is taken over within 30 s, by one that runs", async () => {
    const held = Promise.withResolvers<void>();
    const entered = Promise.withResolvers<void>();
    world.driver.before = async (verb) => {
      if (verb !== "launch") return;
      world.driver.before = undefined;
      entered.resolve();
      await held.promise;
    };
    world.reconciler.start();
    const id = await world.reserve();
    await entered.promise;
    // As good as killed: it neither comes back from the driver nor renews its lease.
    const stopping = world.reconciler.stop();
    const store =
      engine === "postgres" ? await openStore({ url: database.url, clock: world.clock }) : world.core.store;
    const second = await worldOn(store, world.clock, world.driver);
    onTestFinished(async () => {
      await second.reconciler.stop();
      if (engine === "postgres") await store.close();
    });
    second.reconciler.start();
    let seconds = 0;
    while ((await world.show(id)).state !== "active" && seconds < 60) {
      seconds++;
      await second.after(1000);
    }
    expect(seconds).toBeGreaterThan(1);
    expect(seconds).toBeLessThanOrEqual(30);
    held.resolve();
    await stopping;
  });
});
