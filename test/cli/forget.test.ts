import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { NodeLosses } from "../../src/api/inventory.ts";
import { createWorld } from "./helpers/world.ts";

const losses: NodeLosses = {
  node: "box-2",
  nodes: ["box-2"],
  configured: false,
  reservations: [
    { id: "trainbcdefghijklmnop", name: "train", owner: "ann", state: "active", becomes: "failed" },
  ],
  disks: [
    {
      id: "diskbcdefghijklmnopq",
      name: "home",
      owner: "bob",
      size_bytes: 100e9,
      used_bytes: null,
      last_used_at: null,
      snapshots: 2,
      becomes: "lost",
    },
  ],
  operations: 0,
};
const handlers = { getNodeLosses: () => losses, forgetNode: () => losses };
const routesOf = ({ server }: ReturnType<typeof createWorld>) => server.requests.map(({ route }) => route);

test("C-17 forget lists what goes, asks, and does nothing when that is declined", async () => {
  const world = createWorld({ handlers, terminal: true, answers: [false] });
  const { code, stderr } = await world.gpuDev("admin nodes forget box-2");
  expect(code).toBe(3);
  expect(stderr).toContain("reservation train of ann: failed\ndisk home of bob: lost\n");
  expect(world.asked).toEqual(["Forget box-2 for good, and give up 1 reservation and 1 disk?"]);
  expect(routesOf(world)).toEqual(["getNodeLosses"]);
});

test("C-18 where nobody can be asked, forget wants --yes and says what that agrees to", async () => {
  const world = createWorld({ handlers });
  const refused = await world.gpuDev("admin nodes forget box-2");
  expect([refused.code, refused.stderr]).toMatchObject([
    2,
    expect.stringContaining("Forget box-2 for good, and give up 1 reservation and 1 disk?"),
  ]);
  expect(routesOf(world)).toEqual(["getNodeLosses"]);
  const { code, stdout } = await world.gpuDev("admin nodes forget box-2 --yes --json");
  expect([code, JSON.parse(stdout)]).toEqual([0, losses]);
  expect(routesOf(world)).toEqual(["getNodeLosses", "getNodeLosses", "forgetNode"]);
});

test("forget --dry-run changes nothing, and a node that answers is not forgotten", async () => {
  const world = createWorld({ handlers });
  expect(await world.gpuDev("admin nodes forget box-2 --dry-run")).toMatchObject({
    code: 0,
    stdout:
      "reservation\ttrain\tann\tfailed\ttrainbcdefghijklmnop\ndisk\thome\tbob\tlost\tdiskbcdefghijklmnopq\n",
  });
  expect(routesOf(world)).toEqual(["getNodeLosses"]);
  const answering = "node box-2 answers: only one that is gone for good can be forgotten";
  world.server.handlers.getNodeLosses = () => new Problem("node_answers", answering);
  expect(await world.gpuDev("admin nodes forget box-2 --yes")).toMatchObject({ code: 9 });
  expect(await world.gpuDev("admin nodes cordon box-2 --dry-run")).toMatchObject({ code: 2 });
});
