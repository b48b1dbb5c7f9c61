/** A launch that ends when its reservation is over: what it made must not stay on GPUs that are others' by then. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { advance } from "../../src/core/advance.ts";
import { SYSTEM } from "../../src/core/change.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { claimOne } from "../../src/store/leases.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

/** Against hanging. */
const GUARD = { timeout: 30_000, interval: 5 };
const LEASE = { owner: "stalled", ms: 15_000 };

describe.each(engines)("a launch that is late on $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(await fresh());
  });

  /** Another server took the reservation, and its launch stands still until it is told to go on. */
  async function stalledLaunch(id: string): Promise<{ goOn(): Promise<void> }> {
    const [begun, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    world.driver.before = async (verb) => {
      if (verb !== "launch") return;
      world.driver.before = undefined;
      begun.resolve();
      await held.promise;
    };
    await world.core.store.write((tx) => claimOne(tx, LEASE, id));
    const by = { actor: SYSTEM, leasedBy: LEASE.owner };
    const stalled = advance({ core: world.core, by, signal: new AbortController().signal }, id);
    await begun.promise;
    return {
      goOn() {
        held.resolve();
        return stalled;
      },
    };
  }
  const until = (id: string, state: string) =>
    vi.waitFor(async () => expect((await world.show(id)).state).toBe(state), GUARD);
  const listed = () => world.driver.calls.filter((call) => call === "list").length;

  test("L-12 whoever stalled in it takes the pod back when others brought the reservation to its end", async () => {
    const id = await world.reserve({ gpu_count: 8 });
    const { goOn } = await stalledLaunch(id);
    world.clock.tick(LEASE.ms);
    world.reconciler.start();
    await until(id, "active");
    await cancelReservation(world.core, world.ann, id);
    await until(id, "cancelled");
    const next = await world.reserve({ gpu_count: 8 });
    await until(next, "active");
    await world.reconciler.idle();
    const before = listed();
    await goOn();
    expect([...world.driver.pods.keys()]).toEqual([`${next}-1`]);
    // No sweep did it.
    expect(listed()).toBe(before);
    expect(world.logs.map((line) => line.message)).toContain("took back a pod that came too late");
  });

  test("L-12 one that others go on with is left alone", async () => {
    const id = await world.reserve();
    const { goOn } = await stalledLaunch(id);
    world.clock.tick(LEASE.ms);
    world.reconciler.start();
    await until(id, "active");
    await goOn();
    expect([...world.driver.pods.keys()]).toEqual([`${id}-1`]);
    expect((await world.show(id)).state).toBe("active");
  });
});
