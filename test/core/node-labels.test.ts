/** Nodes with labels, and reservations that ask for them. */
import { beforeEach, describe, expect, test } from "vitest";
import { listAvailability, syncCapacity } from "../../src/core/gpus/inventory.ts";
import { listNodes } from "../../src/core/gpus/nodes.ts";
import { adviseReservation } from "../../src/core/planning/advice.ts";
import { forecastReservation } from "../../src/core/planning/forecast.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

const WISH = { gpu_type: "h100", duration_s: 3600, gpu_count: 1 };

describe.each(engines)("labels of nodes, $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: World;
  beforeEach(async () => {
    const nodes = [
      { ...h100(4, "box1"), labels: { zone: "a", nvlink: "true" } },
      { ...h100(4, "box2"), labels: { zone: "b" } },
      h100(8, "box3"),
    ];
    world = await makeWorld(await fresh(), { driver: createFakeDriver(nodes) });
    world.reconciler.start();
  });

  test("they are listed with the nodes, and their values with the types", async () => {
    const { items } = await listNodes(world.core, world.ann);
    expect(items.map(({ name, labels }) => [name, labels])).toEqual([
      ["box1", { nvlink: "true", zone: "a" }],
      ["box2", { zone: "b" }],
      ["box3", {}],
    ]);
    expect((await listAvailability(world.core)).items).toMatchObject([
      { gpu_type: "h100", node_labels: { nvlink: ["true"], zone: ["a", "b"] } },
    ]);
  });

  test("who asks for one gets a node that has it, waits for it while others are free, and is told so", async () => {
    const first = await world.reserve({ gpu_count: 4, node_labels: { zone: "b" } });
    await world.after(0);
    expect(await world.show(first)).toMatchObject({ node: "box2", node_labels: { zone: "b" } });
    const wish = { ...WISH, node_labels: { zone: "b" } };
    expect(await forecastReservation(world.core, world.ann, wish)).toMatchObject({
      nodes: ["box2"],
      queue_position: 1,
      reason: expect.stringContaining("waits for 1 h100: node box2 has 0 of 1 free"),
    });
    const second = await world.reserve({ duration_s: 7200, node_labels: { zone: "b" } });
    expect(await world.show(second)).toMatchObject({ state: "queued", node_labels: { zone: "b" } });
    // Less of it is no help: all of that node is taken, and the other nodes are not what it asked for.
    expect((await adviseReservation(world.core, world.ann, second)).items).toEqual([]);
    await world.after(2 * 3600_000);
    await world.after(0);
    expect(await world.show(second)).toMatchObject({ node: "box2" });
  });

  test("labels that the operator changes count for those who wait", async () => {
    await world.reserve({ gpu_count: 4, node_labels: { zone: "b" } });
    const id = await world.reserve({ node_labels: { zone: "b" } });
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ state: "queued" });
    world.driver.nodes = world.driver.nodes.map((node) =>
      node.node === "box3" ? { ...node, labels: { zone: "b" } } : node,
    );
    await syncCapacity(world.core);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ node: "box3" });
    world.driver.nodes = world.driver.nodes.map(({ labels: _, ...node }) => node);
    await syncCapacity(world.core);
    expect((await listNodes(world.core, world.ann)).items.map(({ labels }) => labels)).toEqual([{}, {}, {}]);
  });

  test("what no node has, or too few have, is refused at once, with the labels that there are", async () => {
    const refused = (given: object) => world.reserve(given).catch((error: unknown) => error);
    expect(await refused({ node_labels: { zone: "c" } })).toMatchObject({
      code: "impossible_request",
      message: "node_labels: no node with h100 has zone=c",
      hint: "there are: nvlink=true, zone=a, zone=b",
    });
    expect(await refused({ node_labels: { zone: "b", nvlink: "true" } })).toMatchObject({
      message: "node_labels: no node with h100 has nvlink=true, zone=b",
    });
    expect(await refused({ gpu_count: 8, node_labels: { zone: "a" } })).toMatchObject({
      code: "impossible_request",
      message: "node_labels: of the nodes with h100 that have zone=a, 1 in all, too few have 8",
    });
  });
});
