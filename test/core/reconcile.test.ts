import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { listEvents } from "../../src/core/listing.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { openStore } from "../../src/store/db.ts";
import { engines, freshDatabases, type TestDatabase } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

describe.each(engines)("the reconciler on $engine", ({ create, engine }) => {
  let database: TestDatabase;
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    database = await fresh();
    world = await makeWorld(database, { driver: createFakeDriver([h100(100)]) });
  });

  /** A second server on the same database; SQLite's file belongs to one process, so that it shares the store there. */
  async function secondServer(): Promise<World> {
    const store =
      engine === "postgres" ? await openStore({ url: database.url, clock: world.clock }) : world.core.store;
    const second = await worldOn(store, world.clock, world.driver);
    onTestFinished(async () => {
      await second.reconciler.stop();
      if (engine === "postgres") await store.close();
    });
    return second;
  }

  /** Holds the first call of `verb` until it is let go. */
  function holdFirst(verb: string) {
    const entered = Promise.withResolvers<void>();
    const letGo = Promise.withResolvers<void>();
    world.driver.before = async (v) => {
      if (v !== verb) return;
      world.driver.before = undefined;
      entered.resolve();
      await letGo.promise;
    };
    return { entered: entered.promise, letGo: () => letGo.resolve() };
  }

  const countCalls = (call: string) => world.driver.calls.filter((c) => c === call).length;

  test("L-16 two servers share the work and never do a step twice", async () => {
    const second = await secondServer();
    for (const server of [world, second]) server.reconciler.start();
    const ids = await Promise.all(Array.from({ length: 30 }, () => world.reserve()));
    await vi.waitFor(async () => {
      const rows = await world.rows("reservations");
      expect(rows.filter((r) => r.state === "active")).toHaveLength(30);
    }, 60_000);
    await Promise.all(ids.map((id) => cancelReservation(world.core, world.ann, id)));
    await vi.waitFor(async () => {
      const rows = await world.rows("reservations");
      expect(rows.filter((r) => r.state === "cancelled")).toHaveLength(30);
    }, 60_000);
    for (const id of ids) {
      expect(["launch", "update", "terminate"].map((verb) => countCalls(`${verb} ${id}-1`))).toEqual([
        1, 1, 1,
      ]);
      const { items } = await listEvents(world.core, world.ann, id);
      expect(items.map((e) => e.version)).toEqual([1, 2, 3, 4, 5]);
    }
  });

  test("L-16 L-02 a server that lost its lease cannot write, and nothing that ended comes back", async () => {
    const second = await secondServer();
    const held = holdFirst("update");
    world.reconciler.start();
    const id = await world.reserve();
    await held.entered;
    // The loop is gone, the step in hand is not: it hangs between the pod's update and the row's.
    const stopping = world.reconciler.stop();
    world.clock.tick(31_000);
    second.reconciler.start();
    await second.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    await cancelReservation(second.core, world.ann, id);
    await second.reconciler.idle();
    const ended = await world.show(id);
    expect(ended.state).toBe("cancelled");
    held.letGo();
    await stopping;
    expect(await world.show(id)).toEqual(ended);
  });

  test("L-16 a step that outlives its lease is not begun a second time by its own server", async () => {
    const held = holdFirst("launch");
    world.reconciler.start();
    const id = await world.reserve();
    await held.entered;
    world.clock.tick(31_000);
    world.core.signals.emit("wake");
    await vi.waitFor(async () => {
      const [row] = await world.rows("reservations");
      expect(Date.parse(row?.leased_until ?? "")).toBeGreaterThan(world.clock.now().getTime());
    }, 60_000);
    held.letGo();
    await world.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    expect(countCalls(`launch ${id}-1`)).toBe(1);
  });

  test("L-05 a server that starts again goes on where the last one was killed", async () => {
    const held = holdFirst("launch");
    world.reconciler.start();
    const id = await world.reserve();
    await held.entered;
    // As good as killed: it does not come back from the driver, and its lease runs out.
    const stopping = world.reconciler.stop();
    const second = await secondServer();
    world.clock.tick(31_000);
    second.reconciler.start();
    await second.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    expect([...world.driver.pods.keys()]).toEqual([`${id}-1`]);
    held.letGo();
    await stopping;
  });

  test("L-17 it starts and stops at any moment, twice in a row, and during its own work", async () => {
    const { reconciler } = world;
    await reconciler.stop();
    reconciler.start();
    reconciler.start();
    await reconciler.stop();
    await reconciler.stop();
    const held = holdFirst("launch");
    reconciler.start();
    const id = await world.reserve();
    await held.entered;
    let stopped = false;
    const stopping = reconciler.stop().then(() => {
      stopped = true;
    });
    await world.core.store.now();
    expect(stopped).toBe(false);
    held.letGo();
    await stopping;
    const [row] = await world.rows("reservations");
    expect(row).toMatchObject({ state: "preparing", leased_by: null });
    reconciler.start();
    await reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    expect(countCalls(`launch ${id}-1`)).toBe(1);
  });

  test("L-17 stopping does not wait for retries, nor for ever for a driver that hangs", async () => {
    world.driver.faults.set("launch", new DriverError("not now"));
    world.reconciler.start();
    await world.reserve();
    await world.after(0);
    await world.reconciler.stop();
    world.driver.faults.clear();
    const held = holdFirst("launch");
    world.clock.tick(60_000);
    world.reconciler.start();
    await held.entered;
    // It ends, though what is in hand does not.
    await world.reconciler.stop();
    expect(world.logs.at(-1)).toMatchObject({ level: "warn", fields: { steps: 1 } });
    held.letGo();
  });

  test("B-06 a launch that worked is not repeated because its answer was lost", async () => {
    const { launch } = world.driver;
    world.driver.launch = async (spec) => {
      await launch(spec);
      throw new DriverError("the answer was lost");
    };
    world.reconciler.start();
    const id = await world.reserve();
    await world.after(0);
    await world.after(1000);
    expect((await world.show(id)).state).toBe("active");
    expect(countCalls(`launch ${id}-1`)).toBe(1);
  });

  test("one bad row, or one error that nobody intended, never stops the rest", async () => {
    const bad = await world.reserve();
    await world.core.store.write(({ db }) =>
      db.updateTable("reservations").set({ created_at: "yesterday" }).where("id", "=", bad).execute(),
    );
    const odd = await world.reserve();
    world.driver.before = async (verb, name) => {
      if (verb === "inspect" && name.startsWith(odd)) throw new TypeError("a bug in the driver");
    };
    const fine = await world.reserve();
    world.reconciler.start();
    await world.after(0);
    expect((await world.show(fine)).state).toBe("active");
    expect((await world.show(odd)).state).toBe("preparing");
    const errors = world.logs.filter((l) => l.level === "error").map((l) => l.fields.reservation_id);
    expect(new Set(errors)).toEqual(new Set([bad, odd]));
    world.driver.before = undefined;
    await world.after(10_000);
    expect((await world.show(odd)).state).toBe("active");
    await world.core.store.write(({ db }) =>
      db
        .updateTable("reservations")
        .set({ created_at: "2026-01-05T08:00:00.000Z" })
        .where("id", "=", bad)
        .execute(),
    );
    await world.after(10_000);
    expect((await world.show(bad)).state).toBe("active");
  });

  test("B-09 a database that does not answer is told once, and the work goes on when it is back", async () => {
    const broken = vi.spyOn(world.core.store, "now").mockRejectedValue(new Error("the database is away"));
    world.reconciler.start();
    const id = await world.reserve();
    await vi.waitFor(() => expect(broken.mock.calls.length).toBeGreaterThan(1), 60_000);
    broken.mockRestore();
    await world.after(0);
    expect((await world.show(id)).state).toBe("active");
    const told = world.logs.filter((l) => l.fields.condition === "reconciler").map((l) => l.level);
    expect(told).toEqual(["error", "info"]);
  });

  test("L-01 without its history entry a change does not happen either", async () => {
    const id = await world.reserve();
    const before = await world.show(id);
    const audits = (await world.rows("audit")).length;
    await world.core.store.write(({ db }) =>
      db
        .insertInto("events")
        .values({
          reservation_id: id,
          version: 3,
          at: before.created_at,
          type: "x",
          state: "queued",
          detail: null,
        })
        .execute(),
    );
    await expect(cancelReservation(world.core, world.ann, id)).rejects.toThrow(/unique|duplicate/i);
    expect(await world.show(id)).toEqual(before);
    expect(await world.rows("audit")).toHaveLength(audits);
  });
});
