import { describe, expect, test } from "vitest";
import { MOVES } from "../../src/core/plan/improve.ts";
import { CLEARING_MS, carried, LATE_MS, type PlanHold, spanOf } from "../../src/core/plan/model.ts";
import { reasonOf } from "../../src/core/plan/reason.ts";
import { plan, replan } from "../../src/core/plan.ts";
import { ask, HOUR_S, held, MINUTE, NOW, node, placeIn, said } from "./plan/builders.ts";

/** How long an hour is booked, in minutes. */
const BOOKED = spanOf(HOUR_S) / MINUTE;

describe("places", () => {
  test("what is free is given now, and what is held when it is given back", () => {
    const made = plan([node("a", 4)], [held("a", 2, 9)], [ask("x", 2), ask("y", 2)], NOW);
    expect(said(made)).toEqual(["x: a at 0", "y: a at 9"]);
    expect([...made.planned.values()].map((p) => p.startsNow)).toEqual([true, false]);
  });

  test("D-02 who has a disk waits for the nodes of its host, however free the others are", () => {
    const on = (host: string, name: string, places: number, open = true) => ({
      ...node(name, places, open),
      host,
    });
    const nodes = [on("box1", "box1", 4), on("box1", "box1-b", 1), on("box2", "box2", 8)];
    const holds = [held("box1", 4, 20), held("box1-b", 1, 10)];
    const queue = [ask("one", 1, { host: "box1" }), ask("two", 2, { host: "box1" }), ask("any", 2)];
    const made = plan(nodes, holds, queue, NOW);
    expect(said(made)).toEqual(["one: box1-b at 10", "two: box1 at 20", "any: box2 at 0"]);
    const waits = (host: string, places: number, there = nodes) =>
      reasonOf(plan(there, holds, [ask("x", places, { host })], NOW), "x", `${places} h100`);
    expect(waits("box1", 2)).toBe("waits for 2 h100: node box1 has 0 of 2 free until 1 running there ends");
    const never = "its disk is on node box1, which is away, takes nothing new, or has too few of them";
    expect(waits("box1", 8)).toBe(`waits for 8 h100: ${never}`);
    expect(waits("box1", 1, [on("box1", "box1", 4, false), ...nodes.slice(2)])).toBe(
      `waits for 1 h100: ${never}`,
    );
  });

  test("who asks for labels waits for nodes that have them all, a gang too; one that loses them is left", () => {
    const on = (name: string, labels: Record<string, string>) => ({ ...node(name, 4), labels });
    const nodes = [
      on("a", { zone: "a" }),
      on("b", { zone: "a", nvlink: "true" }),
      on("c", { zone: "b" }),
      on("d", { zone: "a", nvlink: "true" }),
    ];
    const holds = [held("b", 4, 20), held("d", 4, 30)];
    const fast = { zone: "a", nvlink: "true" };
    const queue = [
      ask("fast", 2, { labels: fast }),
      ask("gang", 4, { nodes: 2, labels: { zone: "a" } }),
      ask("any", 4),
    ];
    const [first] = queue;
    const made = plan(nodes, holds, queue, NOW);
    expect(said(made)).toEqual(["fast: b at 20", `gang: a,d at 30`, "any: c at 0"]);
    // At a time of its own, when many nodes are free and the fullest of all has other labels.
    const later = ask("later", 1, { labels: fast, notBefore: NOW + 600 * MINUTE });
    expect(said(plan(nodes, [held("a", 3), held("c", 3)], [later], NOW))).toEqual(["later: b at 600"]);
    const kept = { ...(first ?? ask("fast")), place: placeIn(20, "b"), promised: NOW + 21 * MINUTE };
    const changed = nodes.map((one) => (one.node === "b" ? on("b", { zone: "a" }) : one));
    const moved = plan(changed, holds, [kept], NOW);
    expect(said(moved)).toEqual(["fast: d at 30"]);
    expect(moved.planned.get("fast")?.lost).toContain("node b has other labels now");
    const never = plan(nodes, [], [ask("x", 1, { labels: { zone: "z" } })], NOW);
    expect(reasonOf(never, "x", "1 h100")).toBe(
      "waits for 1 h100: too few nodes that could hold it and have zone=z are open",
    );
  });

  test("a request is never split over nodes", () => {
    const nodes = [node("a", 4), node("b", 4)];
    expect(said(plan(nodes, [held("a", 1, 20), held("b", 1, 10)], [ask("x", 4)], NOW))).toEqual([
      "x: b at 10",
    ]);
  });

  test("S-06 what is booked for one is given to the next when time, preparing, clearing and lateness are over", () => {
    expect(said(plan([node("a", 1)], [], [ask("x"), ask("y")], NOW))).toEqual([
      "x: a at 0",
      `y: a at ${BOOKED}`,
    ]);
    expect(BOOKED).toBe(60 + 5 + (CLEARING_MS + LATE_MS) / MINUTE);
  });

  test("a gang gets all its nodes at once, when enough of them are free together", () => {
    const nodes = [node("a", 8), node("b", 8), node("c", 8)];
    const holds = [held("a", 8, 10), held("b", 1, 30), held("c", 8, 20)];
    const gang = ask("gang", 8, { nodes: 2 });
    expect(said(plan(nodes, holds, [gang], NOW))).toEqual(["gang: a,c at 20"]);
    expect(said(plan(nodes, holds, [ask("gang", 8, { nodes: 4 })], NOW))).toEqual(["gang: never"]);
  });

  test("a gang waits through gaps in which too few are free together", () => {
    const nodes = [node("a", 1), node("b", 1)];
    const booked = [
      ask("p", 1, { place: placeIn(30, "a") }),
      ask("q", 1, { place: placeIn(0, "b"), durationS: 3 * HOUR_S }),
    ];
    const made = plan(nodes, [], [...booked, ask("gang", 1, { nodes: 2 })], NOW);
    expect(said(made).at(-1)).toBe(`gang: a,b at ${spanOf(3 * HOUR_S) / MINUTE}`);
  });

  test("S-08 the fullest node that fits is taken, so that whole nodes stay free; then the first by name", () => {
    const nodes = [node("c", 8), node("a", 8), node("b", 8)];
    const queue = [ask("x", 2), ask("y", 2), ask("z", 8), ask("w", 1)];
    expect(said(plan(nodes, [held("b", 4, 60)], queue, NOW))).toEqual([
      "x: b at 0",
      "y: b at 0",
      "z: a at 0",
      "w: c at 0",
    ]);
  });

  test("S-08 the fullest at a start in the future, too", () => {
    const nodes = [node("a", 8), node("b", 8), node("c", 8)];
    const holds = [held("b", 6, 300), held("c", 7, 20), held("a", 2, 300)];
    const at = { notBefore: NOW + 60 * MINUTE };
    expect(said(plan(nodes, holds, [ask("x", 2, at), ask("y", 2, at)], NOW))).toEqual([
      "x: b at 60",
      "y: a at 60",
    ]);
  });

  test("S-07 a closed node gets nothing, and promises nothing", () => {
    expect(said(plan([node("a", 8, false)], [], [ask("x")], NOW))).toEqual(["x: never"]);
  });

  test("S-06 what has no known end is never counted as free", () => {
    const made = plan([node("a", 2)], [held("a", 1)], [ask("x", 2), ask("y")], NOW);
    expect(said(made)).toEqual(["x: never", "y: a at 0"]);
    expect(made.planned.get("x")).toMatchObject({ latest: null, startsNow: false });
  });

  test("what is held stays held, also when it should have been free by now", () => {
    const made = plan([node("a", 1)], [held("a", 1, -5)], [ask("x")], NOW);
    expect(made.planned.get("x")).toMatchObject({ start: NOW + 1, startsNow: false });
  });

  test("a node that shrank below what it holds gives nothing until enough of that has ended", () => {
    const holds = [held("a", 2, 10), held("a", 2, 30)];
    expect(said(plan([node("a", 2)], holds, [ask("x"), ask("y", 2)], NOW))).toEqual([
      "x: a at 30",
      `y: a at ${30 + BOOKED}`,
    ]);
  });

  test("the order in which nodes, holds and queue are given makes no difference", () => {
    const nodes = [node("a", 4), node("b", 4), node("c", 4)];
    const holds = [held("a", 3, 10), held("b", 2, 25), held("c", 4, 5)];
    const queue = [ask("x", 2), ask("y", 4), ask("z", 1), ask("w", 4, { nodes: 2 })];
    const [one, other] = [
      plan(nodes, holds, queue, NOW),
      plan(nodes.toReversed(), holds.toReversed(), queue.toReversed(), NOW),
    ];
    expect(said(other).sort()).toEqual(said(one).sort());
  });
});

describe("promises", () => {
  const full = [held("a", 2, 30)];

  test("S-04 a later one may start before an earlier one that it does not delay, and not otherwise", () => {
    const big = ask("big", 2);
    const small = ask("small", 1, { durationS: 600 });
    const long = ask("long", 1);
    const made = plan([node("a", 2)], [held("a", 1, 30)], [big, long, small], NOW);
    expect(said(made)).toEqual(["big: a at 30", `long: a at ${30 + BOOKED}`, "small: a at 0"]);
  });

  test("S-03 a place that was given stays, whoever comes with whatever class", () => {
    const told = ask("told", 2, { place: placeIn(45, "a"), notBefore: NOW + 45 * MINUTE });
    const made = plan([node("a", 2)], full, [ask("urgent", 2, { priority: 9 }), told], NOW);
    expect(said(made)).toEqual([`urgent: a at ${45 + BOOKED}`, "told: a at 45"]);
    expect(made.planned.get("told")).not.toHaveProperty("lost");
  });

  test("S-03 what may be told is the start and some lateness, and is never more than what was told", () => {
    const early = ask("early", 1, { place: placeIn(30, "a"), promised: NOW + 30 * MINUTE });
    const { planned } = plan([node("a", 2)], full, [early, ask("new")], NOW);
    expect(planned.get("early")?.latest).toBe(NOW + 30 * MINUTE);
    expect(planned.get("new")?.latest).toBe(NOW + 30 * MINUTE + LATE_MS);
  });

  test("S-03 freed capacity is given on by class, then recent use, then arrival, and nobody gets later", () => {
    const behind = { place: placeIn(300, "a") };
    const queue = [
      ask("first", 1, { place: placeIn(200, "a"), owner: "heavy" }),
      ask("light", 1, { ...behind, owner: "light" }),
      ask("light-too", 1, { place: placeIn(400, "a"), owner: "light" }),
      ask("high", 1, { place: placeIn(500, "a"), priority: 1, owner: "heaviest" }),
    ];
    const shares = new Map(Object.entries({ heavy: 5, light: 1, heaviest: 9 }));
    const made = plan([node("a", 1)], [], queue, NOW, shares);
    expect(said(made)).toEqual([
      `first: a at ${2 * BOOKED}`,
      `light: a at ${BOOKED}`,
      `light-too: a at ${3 * BOOKED}`,
      "high: a at 0",
    ]);
  });

  test("S-03 a promise that cannot be kept says what was lost", () => {
    const place = placeIn(30, "a");
    const of = (nodes: Parameters<typeof plan>[0], holds: PlanHold[]) =>
      plan(nodes, holds, [ask("x", 2, { place })], NOW).planned.get("x");
    const b = node("b", 2);
    const late = held("b", 1, 90);
    expect(of([b], [late])).toMatchObject({ start: NOW + 90 * MINUTE, lost: "node a is gone" });
    expect(of([node("a", 2, false), b], [late])?.lost).toBe("node a takes nothing new");
    expect(of([node("a", 2), b], [late, held("a", 1)])?.lost).toBe("on node a less is free than was planned");
    expect(of([node("a", 2)], [held("a", 1)])).toMatchObject({ start: null, latest: null });
  });

  test("S-03 who loses a place and finds another as early loses nothing", () => {
    const x = ask("x", 2, { place: placeIn(30, "a") });
    const { planned } = plan([node("b", 2)], [held("b", 2, 30)], [x], NOW);
    expect(planned.get("x")).toEqual({
      id: "x",
      start: NOW + 30 * MINUTE,
      nodes: ["b"],
      startsNow: false,
      latest: NOW + 30 * MINUTE + LATE_MS,
    });
  });

  test("who lost a place comes before newcomers", () => {
    const moved = ask("moved", 2, { place: placeIn(30, "gone") });
    const made = plan([node("a", 2)], full, [{ ...ask("new", 2), seq: -1 }, moved], NOW);
    expect(said(made)).toEqual([`new: a at ${30 + BOOKED}`, "moved: a at 30"]);
  });

  test("S-03 an advance reservation starts at its time, and what does not end before goes around it", () => {
    const at = ask("at", 2, { notBefore: NOW + 50 * MINUTE });
    const made = plan([node("a", 2)], full, [at, ask("long"), ask("short", 1, { durationS: 600 })], NOW);
    expect(said(made)).toEqual(["at: a at 50", `long: a at ${50 + BOOKED}`, "short: a at 30"]);
  });

  test("a due one whose place is not given back yet keeps it for a while, then gets another", () => {
    const queue = (late: number) => [
      ask("due", 1, { place: { start: NOW - late, nodes: ["a"] } }),
      ask("behind", 1, { place: { start: NOW - late + spanOf(HOUR_S), nodes: ["a"] } }),
    ];
    const holds = [held("a", 1, -1)];
    const patient = plan([node("a", 1)], holds, queue(LATE_MS - 1), NOW).planned;
    expect(patient.get("due")).toMatchObject({ start: NOW - LATE_MS + 1, startsNow: false });
    expect(patient.get("due")).not.toHaveProperty("lost");
    const lost = plan([node("a", 1)], holds, queue(LATE_MS), NOW).planned;
    expect(lost.get("due")?.lost).toBe("on node a less is free than was planned");
    expect(lost.get("behind")).not.toHaveProperty("lost");
  });

  test("S-03 a due one that is told earlier than its place allows is told that what was there leaves too late", () => {
    const due = ask("due", 1, { place: { start: NOW - 20_000, nodes: ["a"] }, promised: NOW - 10_000 });
    expect(plan([node("a", 1)], [held("a", 1, -1)], [due], NOW).planned.get("due")).toMatchObject({
      start: NOW - 20_000,
      latest: NOW - 20_000 + LATE_MS,
      lost: "what had its place before it leaves too late",
    });
  });

  test("a queue whose starts were missed moves on as a whole, in its order", () => {
    const away = 30;
    const queue = [0, 1, 2].map((i) => ask(`q${i}`, 1, { place: placeIn(i * BOOKED - away, "a") }));
    const made = plan([node("a", 1)], [], queue, NOW);
    expect(said(made)).toEqual(["q0: a at 0", `q1: a at ${BOOKED}`, `q2: a at ${2 * BOOKED}`]);
    expect(made.planned.get("q1")?.lost).toBe(
      "a start that was due was missed, because somebody left too late or the server was not running",
    );
  });

  test("S-03 of many moves to later starts only some are made at once, and the next plans make the others", () => {
    const queue = Array.from({ length: 2 * MOVES }, (_, i) =>
      ask(`q${i}`, 1, { place: placeIn(1000 * (i + 1), "a") }),
    );
    const first = plan([node("a", 1)], [], queue, NOW);
    expect(first.more).toBe(true);
    expect(first.planned.get("q0")?.startsNow).toBe(true);
    expect(said(first).at(-1)).toBe(`q${2 * MOVES - 1}: a at ${2000 * MOVES}`);
    let made = first;
    for (let i = 0; made.more; i++) {
      expect(i).toBeLessThan(9);
      made = replan(made, { now: NOW });
    }
    expect(said(made).at(-1)).toBe(`q${2 * MOVES - 1}: a at ${BOOKED * (2 * MOVES - 1)}`);
  });

  test("S-03 who can start now does, also when more moves come before its turn than one plan makes", () => {
    const chain = Array.from({ length: 2 * MOVES }, (_, i) =>
      ask(`q${i}`, 1, { place: placeIn(1000 * (i + 1), "a"), priority: 1 }),
    );
    const booked = ask("booked", 1, {
      place: placeIn(20, "b"),
      notBefore: NOW + 20 * MINUTE,
      durationS: 10 ** 9,
    });
    const short = ask("short", 1, { place: placeIn(200_000, "a"), durationS: 600 });
    const made = plan([node("a", 1), node("b", 1)], [], [...chain, booked, short], NOW);
    expect(made.more).toBe(true);
    expect(made.planned.get("short")).toMatchObject({ startsNow: true, nodes: ["b"] });
  });

  test("asked again with what it said, it says the same", () => {
    const nodes = [node("a", 4), node("b", 4)];
    const queue = [ask("x", 3), ask("y", 4), ask("z", 2), ask("g", 4, { nodes: 2 })];
    const made = plan(nodes, [held("a", 1, 10)], queue, NOW);
    const next = queue.map((request) => {
      const planned = made.planned.get(request.id);
      return planned ? carried(request, planned) : request;
    });
    expect(plan(nodes, [held("a", 1, 10)], next, NOW).planned).toEqual(made.planned);
  });
});
