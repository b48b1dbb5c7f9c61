/** Which plans the loop makes anew, and when. */
import { describe, expect, onTestFinished, test } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";
import { createReservation } from "../../src/core/create.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { createPlanner } from "../../src/core/planning/planner.ts";
import type { Store } from "../../src/store/db.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld } from "./world.ts";

describe.each(engines)("the planner on $engine", ({ create }) => {
  const fresh = freshDatabases(create);

  /** A planner that has looked, of one GPU; its writes are counted, and fail while the database is away. */
  async function scene() {
    const world = await makeWorld(await fresh());
    world.driver.nodes = [h100(1)];
    await syncCapacity(world.core);
    const { store } = world.core;
    const database = { away: false, writes: 0 };
    const write: Store["write"] = async (work, options) => {
      if (database.away) throw new Error("the database is away");
      database.writes += 1;
      return store.write(work, options);
    };
    const core = { ...world.core, store: { ...store, write } };
    const planner = createPlanner(core, createConditions(core.log));
    /** How many plans a look makes, so much later. */
    const look = async (ms = 0) => {
      const before = database.writes;
      world.clock.tick(ms);
      await planner.look(world.clock.now());
      return database.writes - before;
    };
    // The first look is at queues, the second takes note of the nodes.
    await look();
    await look();
    return { world, database, look };
  }

  test("S-05 a start that comes before the transaction ends in which it is planned is not missed", async () => {
    const { world, look } = await scene();
    const [planned, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    onTestFinished(() => commit.resolve());
    const { store } = world.core;
    const write: Store["write"] = (work, options) =>
      store.write(async (tx) => {
        const result = await work(tx);
        planned.resolve();
        await commit.promise;
        return result;
      }, options);
    const start_at = new Date(world.clock.now().getTime() + 500).toISOString();
    const input = { gpu_type: "h100", duration_s: 3600, start_at };
    const making = createReservation({ ...world.core, store: { ...store, write } }, world.ann, input);
    await planned.promise;
    expect(await look(1000)).toBe(0);
    commit.resolve();
    const { reservation } = await making;
    expect(reservation.state).toBe("queued");
    expect(await look(1000)).toBe(1);
    expect((await world.show(reservation.id)).state).toBe("preparing");
  });

  test("S-05 a start whose place is not free yet is planned when it comes and each 30 s, and at once where that failed", async () => {
    const { world, database, look } = await scene();
    await world.reserve();
    const waits = await world.show(await world.reserve());
    const ahead = Date.parse(waits.estimated_start_at ?? "") - world.clock.now().getTime();
    expect(await look(ahead - 15_000)).toBe(0);
    expect(await look(15_000)).toBe(1);
    for (let s = 1; s < 15; s++) expect(await look(1000)).toBe(0);
    database.away = true;
    expect(await look(1000)).toBe(0);
    database.away = false;
    expect([await look(1000), await look(1000)]).toEqual([1, 0]);
    expect(await world.show(waits.id)).toMatchObject({ state: "queued", queue_position: 1 });
  });
});
