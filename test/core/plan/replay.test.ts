import { expect, test } from "vitest";
import { advice } from "../../../src/core/plan/advice.ts";
import { latestFreeAt } from "../../../src/core/plan/extension.ts";
import { type Plan, plan, replan } from "../../../src/core/plan.ts";
import { judge } from "./judge.ts";
import { World } from "./world.ts";

const STEPS = 40;
/** GPU_DEV_REPLAYS asks for another number. */
const WORKLOADS = 150;

/** What happens to a world by a seed: each step is planned in full and as a change, judged, and lived through. */
function replay(seed: number, each: (world: World, full: Plan) => void): void {
  const world = new World(seed);
  const planned = () =>
    plan([...world.nodes.values()], world.holds, [...world.queue.values()], world.now, world.shares);
  let kept = planned();
  for (let step = 0; step < STEPS; step++) {
    try {
      const change = world.step();
      const full = planned();
      kept = replan(kept, change);
      expect([kept.more, new Map([...kept.planned].sort())]).toEqual([
        full.more,
        new Map([...full.planned].sort()),
      ]);
      judge(world, full);
      each(world, kept);
      world.follow(full.planned);
    } catch (error) {
      throw new Error(`seed ${seed}, step ${step}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** The longest extension is told to nobody's cost, and a way to start sooner is one: both by the plan that would be made then. */
function ask(world: World, made: Plan): void {
  const running = world.pick([...world.running.values()]);
  const nodes = [...world.nodes.values()];
  const queue = world.told(made.planned);
  if (running?.freeAt !== undefined && running.freeAt > world.now) {
    const freeAt = latestFreeAt(
      made,
      { ...running, freeAt: running.freeAt },
      running.freeAt + 20 * 3_600_000,
    );
    const holds = world.holdsBut(running.id, freeAt);
    for (const { id, lost } of plan(nodes, holds, queue, world.now).planned.values())
      expect(lost, `${id}, when ${running.id} is extended`).toBeUndefined();
  }
  const some = world.pick(queue);
  if (!some) return;
  for (const { start, places, nodes: count, durationS } of advice(made, some.id)) {
    const instead = { ...some, places, nodes: count, durationS, place: undefined, promised: undefined };
    const others = queue.filter(({ id }) => id !== some.id);
    const its = plan(nodes, world.holds, [...others, instead], world.now).planned.get(some.id);
    expect(its?.start, `${some.id} as ${places} for ${durationS} s`).toBeLessThanOrEqual(start);
  }
}

const wanted = Number(process.env.GPU_DEV_REPLAYS ?? WORKLOADS);

test(
  `S-03 S-04 S-06 S-07 ${wanted} random workloads: nothing is given twice, nobody is later than told unless capacity was lost, nobody waits who could start, and a change is planned as all is`,
  () => {
    for (let seed = 1; seed <= wanted; seed++) replay(seed, ask);
  },
  300 * wanted + 60_000,
);
