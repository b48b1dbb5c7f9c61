import { describe, expect, test } from "vitest";
import { type PlanHold, plan } from "../../src/core/plan.ts";

const NOW = Date.parse("2026-01-05T08:00:00.000Z");
const MINUTE = 60_000;
const node = (name: string, places: number, healthy = true) => ({ node: name, places, healthy });
const held = (name: string, index: number, minutes?: number): PlanHold => ({
  node: name,
  index,
  freeAt: minutes === undefined ? undefined : NOW + minutes * MINUTE,
});
const ask = (id: string, places = 1, durationS = 3600) => ({ id, places, durationS });
const minutesOf = (starts: ReadonlyMap<string, Date | null>) =>
  [...starts.values()].map((at) => at && (at.getTime() - NOW) / MINUTE);

describe("plan", () => {
  test("gives what is free, in order, the lowest indices first", () => {
    const { placements } = plan([node("a", 4)], [held("a", 1, 9)], [ask("x", 2), ask("y")], NOW);
    expect(placements).toEqual([
      { id: "x", node: "a", indices: [0, 2] },
      { id: "y", node: "a", indices: [3] },
    ]);
  });

  test("nobody overtakes: who does not fit holds back those behind", () => {
    const { placements, starts } = plan(
      [node("a", 4)],
      [held("a", 0, 30)],
      [ask("big", 4), ask("small")],
      NOW,
    );
    expect(placements).toEqual([]);
    expect(minutesOf(starts)).toEqual([30, 30 + 66]);
  });

  test("a request is never split over nodes", () => {
    const nodes = [node("a", 4), node("b", 4)];
    const holds = [held("a", 0, 20), held("b", 0, 10)];
    expect(minutesOf(plan(nodes, holds, [ask("x", 4)], NOW).starts)).toEqual([10]);
  });

  test("S-08 the fullest node that fits is taken, so that whole nodes stay free", () => {
    const nodes = [node("a", 8), node("b", 8)];
    const holds = [0, 1, 2, 3].map((i) => held("b", i, 60));
    const { placements } = plan(nodes, holds, [ask("x", 2), ask("y", 4)], NOW);
    expect(placements.map((p) => p.node)).toEqual(["b", "a"]);
  });

  test("S-07 an unhealthy node gets nothing, and promises nothing", () => {
    const { placements, starts } = plan([node("a", 8, false)], [], [ask("x")], NOW);
    expect(placements).toEqual([]);
    expect(minutesOf(starts)).toEqual([null]);
  });

  test("an end that nobody can tell is unknown, for those behind as well", () => {
    const { starts } = plan([node("a", 1)], [held("a", 0)], [ask("x"), ask("y")], NOW);
    expect(minutesOf(starts)).toEqual([null, null]);
  });

  test("what is held stays held, also when it should have been free by now", () => {
    const { placements, starts } = plan([node("a", 1)], [held("a", 0, -5)], [ask("x")], NOW);
    expect(placements).toEqual([]);
    expect(starts.get("x")?.getTime()).toBe(NOW + 1);
  });

  test("a place of a node that shrank is not given again", () => {
    const { placements } = plan([node("a", 1)], [held("a", 7, 60)], [ask("x"), ask("y")], NOW);
    expect(placements).toEqual([{ id: "x", node: "a", indices: [0] }]);
  });
});
