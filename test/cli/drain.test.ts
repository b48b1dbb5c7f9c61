import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Node, NodeHolder } from "../../src/api/inventory.ts";
import { page } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const node: Node = {
  name: "a",
  labels: {},
  fault: null,
  unhealthy_since: null,
  healthy: true,
  cordoned_at: "2026-01-01T12:00:00.000Z",
  gpu_types: [],
  reservations: 1,
};
const holder: NodeHolder = {
  id: "abcdefghijklmnopqrst",
  name: "train",
  owner: "bob",
  state: "active",
  places: 4,
  gone_by: "2026-01-01T13:01:00.000Z",
};

test("S-07 drain closes the node and says who is on it until when", async () => {
  const world = createWorld({
    handlers: { cordonNode: () => node, listNodeHolders: () => page(holder, { ...holder, gone_by: null }) },
  });
  const { code, stdout } = await world.gpuDev("admin nodes drain a");
  expect([code, stdout]).toEqual([
    0,
    `${holder.id}\ttrain\tbob\tactive\t4\t2026-01-01T13:01:00.000Z\n${holder.id}\ttrain\tbob\tactive\t4\tunknown\n`,
  ]);
  expect(world.server.requests.map(({ route, params }) => [route, params.node])).toEqual([
    ["cordonNode", "a"],
    ["listNodeHolders", "a"],
  ]);
});

test("S-07 C-16 drain --wait ends when nobody is there, tells each change once, and has an end", async () => {
  const world = createWorld({
    handlers: { cordonNode: () => node, listNodeHolders: () => page(holder, holder) },
  });
  let left = [holder, holder];
  world.server.handlers.listNodeHolders = () => page(...left);
  world.onSleep = (nowMs) => {
    if (nowMs >= Date.parse("2026-01-01T12:00:20.000Z")) left = [holder];
    if (nowMs >= Date.parse("2026-01-01T12:00:40.000Z")) left = [];
  };
  expect(await world.gpuDev("admin nodes drain a --wait")).toEqual({
    code: 0,
    stdout: "",
    stderr:
      "a: 2 reservations are still there\na: 1 reservation is still there\nNobody is on a; it gets nothing new.\n",
  });
  left = [holder];
  world.onSleep = () => undefined;
  const late = await world.gpuDev("admin nodes drain a --wait --timeout 1m --json");
  expect([late.code, JSON.parse(late.stdout)]).toMatchObject([8, { code: "still_pending", items: [holder] }]);
});

test("S-07 C-16 drain --wait outlasts a server that is away for minutes, but not its own end", async () => {
  const away = new Problem("unavailable", "the database does not answer");
  const world = createWorld({ handlers: { cordonNode: () => node, listNodeHolders: () => away } });
  world.onSleep = (nowMs) => {
    if (nowMs >= Date.parse("2026-01-01T12:05:00.000Z")) world.server.handlers.listNodeHolders = () => page();
  };
  expect(await world.gpuDev("admin nodes drain a --wait")).toMatchObject({ code: 0 });
  world.server.handlers.listNodeHolders = () => away;
  world.onSleep = () => undefined;
  expect(await world.gpuDev("admin nodes drain a --wait --timeout 10m")).toMatchObject({ code: 75 });
});

test("a node that there is not is not drained", async () => {
  const world = createWorld({
    handlers: { cordonNode: () => new Problem("not_found", "there is no node b") },
  });
  expect((await world.gpuDev("admin nodes drain b")).code).toBe(5);
});
