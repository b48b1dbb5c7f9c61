import { describe, expect, test, vi } from "vitest";
import { advice, earliestFor } from "../../../src/core/plan/advice.ts";
import type { PlanHold, PlanNode, PlanRequest } from "../../../src/core/plan/model.ts";
import { reasonOf } from "../../../src/core/plan/reason.ts";
import { plan } from "../../../src/core/plan.ts";
import { ask, HOUR_S, held, MINUTE, NOW, node, placeIn } from "./builders.ts";

const wish = { places: 1, nodes: 1, durationS: HOUR_S, notBefore: undefined };

describe("advice", () => {
  /** "places x nodes, minutes: start" of each way. */
  const ways = (nodes: PlanNode[], holds: PlanHold[], x: PlanRequest, others: PlanRequest[] = []) =>
    advice(plan(nodes, holds, [...others, x], NOW), x.id).map(
      (way) => `${way.places}x${way.nodes}, ${way.durationS / 60} min: ${(way.start - NOW) / MINUTE}`,
    );

  test("a smaller count starts sooner, and a still smaller one sooner still", () => {
    expect(ways([node("a", 8)], [held("a", 5, 60), held("a", 2, 30)], ask("x", 8))).toEqual([
      "2x1, 60 min: 30",
      "1x1, 60 min: 0",
    ]);
  });

  test("a shorter time fits before what is planned: the longest that does", () => {
    const booked = ask("booked", 1, { notBefore: NOW + 47 * MINUTE });
    expect(ways([node("a", 1)], [], ask("x", 1), [booked])).toEqual(["1x1, 40 min: 0"]);
  });

  test("a smaller gang, and nothing that is not really sooner", () => {
    const nodes = [node("a", 8), node("b", 8)];
    expect(ways(nodes, [held("b", 8, 60)], ask("x", 8, { nodes: 2 }))).toEqual(["8x1, 60 min: 0"]);
    expect(ways([node("a", 1)], [held("a", 1, 60)], ask("x", 1))).toEqual([]);
  });

  test("its own place counts as free, and is its own again afterwards", () => {
    const made = plan([node("a", 2)], [held("a", 1, 60)], [ask("x", 2)], NOW);
    expect(advice(made, "x")).toMatchObject([{ places: 1, start: NOW }]);
    expect(earliestFor(made, { ...wish, durationS: 24 * HOUR_S })?.start).toBe(NOW + 127 * MINUTE);
  });

  test("another type, if it is sooner there", () => {
    const made = plan([node("a", 4)], [held("a", 4, 60)], [ask("x", 4)], NOW);
    const sooner = plan([node("b", 4)], [held("b", 4, 20)], [], NOW);
    const later = plan([node("c", 4)], [held("c", 4, 90)], [], NOW);
    const others = [
      { gpuType: "a100", plan: sooner, places: 4, nodes: 1 },
      { gpuType: "t4", plan: later, places: 4, nodes: 1 },
    ];
    expect(advice(made, "x", others)).toEqual([
      { ...wish, places: 4, gpuType: "a100", start: NOW + 20 * MINUTE },
    ]);
  });

  test("who starts now, or at the time that was asked for, needs none", () => {
    expect(ways([node("a", 1)], [], ask("x"))).toEqual([]);
    expect(ways([node("a", 1)], [], ask("x", 1, { notBefore: NOW + MINUTE }))).toEqual([]);
  });

  test("who can never start hears what could", () => {
    expect(ways([node("a", 2)], [held("a", 1)], ask("x", 2))).toEqual(["1x1, 60 min: 0"]);
  });
});

test("S-06 what a newcomer is told first is what he gets", () => {
  const nodes = [node("a", 2), node("b", 2)];
  const holds = [held("a", 2, 40), held("b", 1, 60)];
  const queue = [ask("x", 2), ask("y", 1)];
  const fit = earliestFor(plan(nodes, holds, queue, NOW), { ...wish, places: 2 });
  const made = plan(nodes, holds, [...queue, ask("new", 2)], NOW).planned.get("new");
  expect(fit).toEqual({ start: made?.start, nodes: made?.nodes });
  expect(earliestFor(plan(nodes, holds, queue, NOW), { ...wish, places: 3 })).toBeUndefined();
});

describe("reasons", () => {
  const reason = (nodes: PlanNode[], holds: PlanHold[], queue: PlanRequest[]) =>
    reasonOf(plan(nodes, holds, queue, NOW), "x", "2 h100");

  test("S-03 what is free, and what ends first", () => {
    expect(reason([node("a", 2)], [held("a", 1, 30)], [ask("x", 2)])).toBe(
      "waits for 2 h100: node a has 1 of 2 free until 1 running there ends",
    );
    expect(reason([node("a", 2)], [held("a", 2, 30)], [ask("y", 2), ask("x", 2)])).toBe(
      "waits for 2 h100: node a has 0 of 2 free until 1 running and 1 planned there end",
    );
  });

  test("S-03 a gang, a time, a start that is due, no node, no end", () => {
    const pair = [node("a", 1), node("b", 1)];
    expect(reason(pair, [held("a", 1, 30)], [ask("x", 1, { nodes: 2 })])).toBe(
      "waits for 2 h100: nodes a, b have 1 of 2 free until 1 running there ends",
    );
    expect(reason(pair, [], [ask("x", 1, { notBefore: NOW + MINUTE })])).toBe(
      "waits for its time; 2 h100 is planned on node a",
    );
    expect(reason([node("a", 1)], [held("a", 1, -1)], [ask("x", 1, { place: placeIn(0, "a") })])).toBe(
      "waits for 2 h100: what should have left node a is still there",
    );
    expect(reason([node("a", 2, false)], [], [ask("x", 2)])).toBe(
      "waits for 2 h100: too few nodes that could hold it are open",
    );
    expect(reason([node("a", 2)], [held("a", 2)], [ask("x", 2)])).toBe(
      "waits for 2 h100: what holds it has no known end",
    );
    expect(reason([node("a", 2)], [], [ask("x", 2)])).toBe("starts now");
  });

  test("many who wait on one node get theirs without each looking at all", () => {
    const queue = Array.from({ length: 40 }, (_, i) => ask(`w${i}`));
    const made = plan([node("a", 1)], [held("a", 1, 30)], queue, NOW);
    const [host] = made.board.schedule.hosts.values();
    if (!host) throw new Error("the plan has no node");
    const looks = vi.spyOn(host.bookings, Symbol.iterator);
    const reasons = queue.map(({ id }) => reasonOf(made, id, "1 h100"));
    expect(reasons.map((words) => /(\d+) planned/.exec(words)?.[1] ?? "0")).toEqual(
      queue.map((_, i) => `${i}`),
    );
    expect(looks).toHaveBeenCalledTimes(1);
  });
});
