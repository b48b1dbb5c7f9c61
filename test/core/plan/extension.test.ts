import { expect, test } from "vitest";
import { latestFreeAt } from "../../../src/core/plan/extension.ts";
import type { PlanHold, PlanNode, PlanRequest } from "../../../src/core/plan/model.ts";
import { carried, spanOf } from "../../../src/core/plan/model.ts";
import { plan } from "../../../src/core/plan.ts";
import { ask, HOUR_S, held, MINUTE, NOW, node, placeIn } from "./builders.ts";

/** Until which minute one place of node a, free in 30 minutes, may be kept; at most 600. */
function extended(nodes: PlanNode[], holds: PlanHold[], queue: PlanRequest[]): number {
  const made = plan(nodes, [held("a", 1, 30), ...holds], queue, NOW);
  const before = JSON.stringify([...made.planned]);
  const until = latestFreeAt(
    made,
    { nodes: ["a"], places: 1, freeAt: NOW + 30 * MINUTE },
    NOW + 600 * MINUTE,
  );
  // Trying changes nothing, and what it says is true of the plan that is made then.
  expect(JSON.stringify([...made.planned])).toBe(before);
  const told = queue.map((request) => carried(request, made.planned.get(request.id) ?? raise(request.id)));
  const next = plan(nodes, [{ node: "a", places: 1, freeAt: until }, ...holds], told, NOW);
  expect([...next.planned.values()].filter((its) => its.lost)).toEqual([]);
  return (until - NOW) / MINUTE;
}

const raise = (id: string): never => {
  throw new Error(`no plan for ${id}`);
};

test("S-03 an extension ends when the next one there was told to start", () => {
  expect(extended([node("a", 1)], [], [ask("x", 1, { notBefore: NOW + 90 * MINUTE })])).toBe(90);
  expect(extended([node("a", 1)], [], [ask("x")])).toBe(30);
});

test("nobody is behind it: as long as is allowed", () => {
  expect(extended([node("a", 1)], [], [])).toBe(600);
  expect(extended([node("a", 2)], [], [ask("x")])).toBe(600);
});

test("who is behind it can start as early elsewhere: he is moved there", () => {
  const at = { notBefore: NOW + 90 * MINUTE, place: placeIn(90, "a") };
  expect(extended([node("a", 1), node("b", 1)], [], [ask("x", 1, at)])).toBe(600);
  expect(extended([node("a", 1), node("b", 1)], [held("b", 1, 100)], [ask("x", 1, at)])).toBe(90);
});

test("of several behind it, the first who has no other place ends it", () => {
  const hour = spanOf(HOUR_S) / MINUTE;
  const then = { notBefore: NOW + (30 + hour) * MINUTE };
  const queue = [
    ask("x", 1, { place: placeIn(30, "a") }),
    ask("y", 1, { ...then, place: placeIn(30 + hour, "a") }),
    ask("z", 1, { ...then, place: placeIn(30 + hour, "b") }),
  ];
  expect(extended([node("a", 1), node("b", 1)], [held("b", 1, 30)], queue)).toBe(30 + hour);
});

test("a gang behind it counts on all its nodes", () => {
  const gang = ask("gang", 1, { nodes: 2, place: placeIn(50, "a", "b"), notBefore: NOW + 50 * MINUTE });
  expect(extended([node("a", 1), node("b", 1)], [], [gang])).toBe(50);
  expect(extended([node("a", 1), node("b", 1), node("c", 1)], [], [gang])).toBe(600);
});

test("a closed node promises nothing, so that nothing ends it", () => {
  expect(extended([node("a", 1, false)], [], [ask("x")])).toBe(600);
});
