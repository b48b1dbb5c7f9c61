/** `npm run soak` replays some thousand workloads; GPU_DEV_SEED is the first one's seed. */
import { describe, expect, test } from "vitest";
import type { CoreParts } from "../../src/core/core.ts";
import type { KeptPlan } from "../../src/core/planning/kept-plan.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { chosenSeed } from "../helpers/random.ts";
import { replay } from "./replay.ts";
import { makeWorld } from "./world.ts";

const LONG = process.env.GPU_DEV_SOAK !== undefined;
const WORKLOADS = LONG ? { sqlite: 1000, postgres: 200 } : { sqlite: 3, postgres: 1 };
const TWICE = LONG ? 100 : 1;
const STEPS = { sqlite: 50, postgres: 25 };

/** Keeps nothing, so that each plan is made of all that there is. */
class Forgetful extends Map<string, KeptPlan> {
  override set(): this {
    return this;
  }
}

describe.each(engines)("random workloads on $engine", ({ create, engine }) => {
  const fresh = freshDatabases(create);

  const run = async (seed: number, steps: number, parts: Partial<CoreParts> = {}) =>
    replay(await makeWorld(await fresh(), { parts }), seed, steps);

  const first = LONG ? chosenSeed() : 1;
  test.each(Array.from({ length: WORKLOADS[engine] }, (_, i) => first + i))(
    "S-01 S-03 S-04 S-06 seed %s: no GPU twice, nobody later than told, nothing waits that could run",
    { timeout: 600_000 },
    async (seed) => {
      const { story } = await run(seed, STEPS[engine]);
      expect(story.length).toBeGreaterThan(STEPS[engine] / 4);
    },
  );

  // PostgreSQL's steps run side by side: who is first of two that end at once differs from run to run, and so does the story. There
  // each step of the workloads above compares what is stored with a plan that is made of all.
  test.runIf(engine === "sqlite").each(Array.from({ length: TWICE }, (_, i) => first + 7 * i))(
    "S-06 seed %s has the same story, be the plan kept or all of it made anew each time",
    { timeout: 600_000 },
    async (seed) => {
      const kept = await run(seed, STEPS[engine]);
      const anew = await run(seed, STEPS[engine], { plans: new Forgetful() });
      expect(anew).toEqual(kept);
      expect(kept.story.length).toBeGreaterThan(10);
    },
  );
});
