/** What a driver hears of its pods is looked at without waiting for the time of the next look. The clock stands still in all of these. */
import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

describe.each(engines)("pods that the driver tells of, on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh(), { driver: createFakeDriver([h100(8)]) });
    world.reconciler.start();
  });

  const dies = (id: string): void => {
    const pod = world.driver.pods.get(`${id}-1`);
    if (pod) pod.view = { state: "dead", reason: "out of memory" };
  };
  const active = async (): Promise<string> => {
    const id = await world.reserve();
    await world.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    return id;
  };
  const asked = (id: string) => world.driver.calls.filter((call) => call === `inspect ${id}-1`).length;

  test("L-11 a pod that died is noticed at once, and the others are left alone", async () => {
    const [id, other] = [await active(), await active()];
    const before = asked(other);
    dies(id);
    await world.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    world.driver.tell(`${id}-1`);
    await world.reconciler.idle();
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: expect.stringContaining("out of memory"),
    });
    expect(asked(other)).toBe(before);
  });

  test("L-11 one that dies while it is being looked at is looked at again", async () => {
    const id = await active();
    const inspect = world.driver.inspect;
    world.driver.inspect = async (name, ask) => {
      const seen = await inspect(name, ask);
      if (name !== `${id}-1` || seen.state !== "running") return seen;
      dies(id);
      world.driver.tell(name);
      return seen;
    };
    world.driver.tell(`${id}-1`);
    await world.reconciler.idle();
    expect((await world.show(id)).state).toBe("failed");
  });

  test("L-16 what another server works on is looked at again when that one is done", async () => {
    const second = await worldOn(world.core.store, world.clock, world.driver);
    const id = await active();
    const entered = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const inspect = world.driver.inspect;
    world.driver.inspect = async (name, ask) => {
      const seen = await inspect(name, ask);
      entered.resolve();
      await go.promise;
      return seen;
    };
    world.driver.tell(`${id}-1`);
    await entered.promise;
    // The first server has looked, and saw it run; only the second one hears of its death.
    world.driver.watchers.clear();
    second.reconciler.start();
    dies(id);
    world.driver.tell(`${id}-1`);
    await second.reconciler.idle();
    expect((await world.show(id)).state).toBe("active");
    world.driver.inspect = inspect;
    go.resolve();
    await expect.poll(async () => (await world.show(id)).state, { timeout: 20_000 }).toBe("failed");
    await second.reconciler.stop();
  });

  test("what is told of pods that are nobody's, or are over, changes nothing", async () => {
    const id = await active();
    await cancelReservation(world.core, world.ann, id);
    await world.reconciler.idle();
    const calls = world.driver.calls.length;
    for (const pod of [`${id}-1`, `${id}-1-0`, "somebody's", `${"a".repeat(20)}-1`]) world.driver.tell(pod);
    await world.reconciler.idle();
    expect(world.driver.calls.slice(calls)).toEqual([]);
    expect((await world.show(id)).state).toBe("cancelled");
  });

  test("L-17 a loop that was stopped hears nothing any more, and one that is started again does", async () => {
    const id = await active();
    await world.reconciler.stop();
    expect(world.driver.watchers.size).toBe(0);
    dies(id);
    world.reconciler.start();
    expect(world.driver.watchers.size).toBe(1);
    world.driver.tell(`${id}-1`);
    await world.reconciler.idle();
    expect((await world.show(id)).state).toBe("failed");
  });
});
