import { expect, test } from "vitest";
import type { Node } from "../../src/api/inventory.ts";
import { page } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const node: Node = {
  name: "a",
  labels: {},
  fault: null,
  unhealthy_since: null,
  healthy: true,
  cordoned_at: null,
  gpu_types: [{ name: "h100", places: 8, simulated: true }],
  reservations: 3,
};
const cordoned: Node = { ...node, name: "b", cordoned_at: "2026-01-01T11:00:00.000Z" };

test("C-14 why nodes are not healthy is told once for all of which it is true", async () => {
  const away = { ...node, healthy: false, fault: "no answer in time" };
  const listNodes = () =>
    page(away, cordoned, { ...away, name: "c" }, { ...away, name: "d", fault: "too old" });
  const { stderr } = await createWorld({ handlers: { listNodes } }).gpuDev("admin nodes");
  expect(stderr.trimEnd().split("\n")).toEqual([
    "Each of the nodes a, c is not healthy: no answer in time",
    "Node d is not healthy: too old",
  ]);
});

test("admin nodes lists the nodes, and closes and opens one", async () => {
  const world = createWorld({
    terminal: true,
    handlers: {
      listNodes: () => page(node, cordoned),
      cordonNode: () => cordoned,
      uncordonNode: () => node,
    },
  });
  const listed = await world.gpuDev("admin nodes --no-color");
  expect(listed.stdout).toMatch(/^a +open +8 × h100 \(simulated\) +3$/m);
  expect(listed.stdout).toMatch(/^b +cordoned +1h ago +8 × h100/m);
  expect(await world.gpuDev("admin nodes list --no-color")).toEqual(listed);
  expect((await world.gpuDev("admin nodes cordon b --no-color")).stdout).toMatch(/^b +cordoned/m);
  expect(JSON.parse((await world.gpuDev("admin nodes uncordon a --json")).stdout)).toEqual(node);
  expect(world.server.requests.slice(2)).toMatchObject([
    { route: "cordonNode", params: { node: "b" } },
    { route: "uncordonNode", params: { node: "a" } },
  ]);
  for (const [line, why] of [
    ["admin nodes close a", "is none of list, cordon, drain, uncordon"],
    ["admin nodes drain", "missing required argument 'node'"],
    ["admin nodes cordon a --wait", "--wait and --timeout are for drain"],
    ["admin nodes drain a --timeout 1h", "--timeout needs --wait"],
    ["admin nodes cordon", "missing required argument 'node'"],
  ] as const)
    expect(await world.gpuDev(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
});
