import { beforeEach, describe, expect, test } from "vitest";
import { listAvailability, syncCapacity } from "../../src/core/gpus/inventory.ts";
import { listHolders, listNodes, setCordon } from "../../src/core/gpus/nodes.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeRunningWorld, type World } from "./world.ts";

describe.each(engines)("nodes on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh(), { driver: createFakeDriver([h100(2, "a"), h100(2, "b")]) });
  });

  const cordon = (node: string, on = true) => setCordon(world.core, world.ann, node, on);
  const node = async (name: string) =>
    (await listNodes(world.core, world.ann)).items.find((one) => one.name === name);
  const reserve = async (gpu_count = 2) => {
    const id = await world.reserve({ gpu_count });
    await world.after(0);
    return id;
  };

  test("S-07 a cordoned node gets nothing new, what runs there goes on, and it takes part again", async () => {
    const running = await reserve(1);
    const on = (await world.show(running)).node ?? "";
    const other = on === "a" ? "b" : "a";
    await cordon(on);
    expect((await world.show(running)).state).toBe("active");
    const elsewhere = await reserve(1);
    expect((await world.show(elsewhere)).node).toBe(other);
    const waiting = await reserve();
    expect(await world.show(waiting)).toMatchObject({ state: "queued" });
    const [h100s] = (await listAvailability(world.core)).items;
    expect(h100s).toMatchObject({ total: 4, used: 2, free: 1, unavailable: 1 });
    expect(await node(on)).toMatchObject({
      healthy: true,
      cordoned_at: "2026-01-05T08:00:00.000Z",
      reservations: 1,
    });
    await cordon(on, false);
    await world.after(0);
    expect(await world.show(waiting)).toMatchObject({ state: "queued" });
    const back = await reserve(1);
    expect(await world.show(back)).toMatchObject({ state: "active" });
  });

  test("S-07 a cordon outlives what the driver reports, and is an entry of the audit trail once", async () => {
    await cordon("b");
    await cordon("b");
    world.driver.nodes = [h100(2, "a")];
    world.clock.tick(1);
    await syncCapacity(world.core);
    expect(await node("b")).toMatchObject({
      healthy: false,
      gpu_types: [],
      fault: "its driver does not report it",
    });
    world.driver.nodes = [h100(2, "a"), h100(2, "b")];
    await syncCapacity(world.core);
    const [first, second] = [await reserve(), await reserve()];
    expect(await world.show(first)).toMatchObject({ state: "active", node: "a" });
    expect((await world.show(second)).state).toBe("queued");
    await cordon("b", false);
    await cordon("b", false);
    await world.after(0);
    expect(await world.show(second)).toMatchObject({ state: "active", node: "b" });
    const audited = (await world.rows("audit")).filter((entry) => entry.subject === "b");
    expect(audited.map((entry) => [entry.actor, entry.action])).toEqual([
      [world.ann.id, "node.cordon"],
      [world.ann.id, "node.uncordon"],
    ]);
  });

  test("why a node is not healthy is told while it is not, and moves nobody in the queue", async () => {
    const fault = (why?: string) =>
      world.driver.nodes.map((n) => ({ ...n, healthy: n.node !== "b", ...(why && { fault: why }) }));
    world.driver.nodes = fault("no answer in time");
    await syncCapacity(world.core);
    expect(await node("b")).toMatchObject({ healthy: false, fault: "no answer in time" });
    expect(await node("a")).toMatchObject({ healthy: true, fault: null });
    await world.after(0);
    world.driver.nodes = fault("nothing listens there");
    await syncCapacity(world.core);
    expect(await node("b")).toMatchObject({ fault: "nothing listens there" });
    expect(await world.rows("plan_changes")).toEqual([]);
    const on = (await reserve().then((id) => world.show(id))).node;
    expect(on).toBe("a");
    world.driver.nodes = [h100(2, "b")];
    world.clock.tick(1);
    await syncCapacity(world.core);
    expect(await node("a")).toMatchObject({
      healthy: false,
      fault: "its driver does not report it any more",
    });
    expect(await node("b")).toMatchObject({ healthy: true, fault: null });
  });

  test("since when a node gives nothing is told, to whom it concerns: over other words for it, and until it is well", async () => {
    const sync = async (why: string | undefined) => {
      world.driver.nodes = [
        h100(2, "a"),
        { ...h100(2, "b"), healthy: why === undefined, ...(why && { fault: why }) },
      ];
      await syncCapacity(world.core);
    };
    const closed = async () => (await listAvailability(world.core)).items[0]?.closed_nodes;
    expect(await closed()).toEqual([]);
    const began = world.clock.now().toISOString();
    await cordon("a");
    await reserve(1);
    // Its own looks at the nodes would come between.
    await world.reconciler.stop();
    await sync("no answer in time");
    world.clock.tick(60_000);
    await sync("nothing listens there");
    expect(await node("b")).toMatchObject({ unhealthy_since: began });
    expect(await closed()).toEqual([
      { name: "a", why: "it is cordoned", since: began },
      { name: "b", why: "nothing listens there", since: began },
    ]);
    await sync(undefined);
    expect(await node("b")).toMatchObject({ unhealthy_since: null });
    world.clock.tick(1000);
    world.driver.nodes = [h100(2, "a")];
    await syncCapacity(world.core);
    expect(await node("b")).toMatchObject({ unhealthy_since: world.clock.now().toISOString() });
    expect((await closed())?.[1]).toMatchObject({ why: "its driver does not report it any more" });
  });

  test("S-01 a node whose host could not be asked for its pods stays as it was: well, or not well yet", async () => {
    const sync = async (healthy: boolean) => {
      world.driver.nodes = ["a", "b"].map((name) => ({ ...h100(2, name), healthy: name === "a" || healthy }));
      await syncCapacity(world.core);
      return (await node("b"))?.healthy;
    };
    world.driver.unasked = [{ host: "b", why: "no answer in time" }];
    expect(await sync(true)).toBe(true);
    expect(await sync(false)).toBe(false);
    // It says how it is, and does not say what is there.
    expect(await sync(true)).toBe(false);
    expect(await node("b")).toMatchObject({
      fault: "pods that were left there are not known to be gone yet",
    });
    expect((await node("a"))?.healthy).toBe(true);
    world.driver.unasked = [];
    expect(await sync(true)).toBe(true);
  });

  test("S-07 who is on a node is told, with how much and until when at the latest", async () => {
    world.driver.launched = { state: "starting", reason: "booting" };
    const late = await world.reserve({ duration_s: 7200, name: "late" }, world.bob);
    await world.after(0);
    world.driver.launched = { state: "running" };
    const on = (await world.show(late, world.bob)).node ?? "";
    const here = await world.reserve({ gpu_count: 1 });
    await world.after(0);
    expect((await world.show(here)).node).toBe(on);
    const { items } = await listHolders(world.core, on);
    expect(items.toSorted((a, b) => (a.owner < b.owner ? -1 : 1))).toEqual([
      {
        id: here,
        name: null,
        owner: "ann",
        state: "active",
        places: 1,
        gone_by: "2026-01-05T09:01:00.000Z",
      },
      {
        id: late,
        name: "late",
        owner: "bob",
        state: "preparing",
        places: 1,
        gone_by: "2026-01-05T10:06:00.000Z",
      },
    ]);
    expect((await listHolders(world.core, on === "a" ? "b" : "a")).items).toEqual([]);
    await expect(listHolders(world.core, "c")).rejects.toMatchObject({ code: "not_found" });
  });

  test("only administrators see nodes, and only those that there are", async () => {
    await expect(listNodes(world.core, world.bob)).rejects.toMatchObject({ code: "not_allowed" });
    await expect(setCordon(world.core, world.bob, "a", true)).rejects.toMatchObject({ code: "not_allowed" });
    await expect(cordon("c")).rejects.toMatchObject({ code: "not_found" });
  });
});
