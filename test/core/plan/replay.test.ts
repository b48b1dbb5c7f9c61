import { expect, test } from "vitest";
import { plan, replan } from "../../../src/core/plan.ts";
import { judge } from "./judge.ts";
import { World } from "./world.ts";

function replay(seed: number, steps: number): void {
  const world = new World(seed);
  let kept = plan([...world.nodes.values()], world.holds, [], world.now);
  for (let i = 0; i < steps; i++) {
    const change = world.step();
    const before = new Map(world.queue);
    const full = plan([...world.nodes.values()], world.holds, [...before.values()].reverse(), world.now);
    kept = replan(kept, change);
    try {
      judge(world, before, full.planned);
      expect(new Map([...kept.planned].sort())).toEqual(new Map([...full.planned].sort()));
    } catch (error) {
      throw new Error(`seed ${seed}, step ${i}: ${(error as Error).message}`, { cause: error });
    }
    world.follow(full.planned);
  }
}

test("S-03 S-04 S-06 S-07 random workloads: nothing given twice, nobody later than told but by loss, nobody waits who could start, incremental is full", () => {
  for (let seed = 1; seed <= 150; seed++) replay(seed, 40);
});
