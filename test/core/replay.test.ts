/** `npm run soak` replays a thousand workloads, GPU_DEV_SEED some of its own. */
import { describe, expect, test } from "vitest";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { chosenSeed } from "../helpers/random.ts";
import { replay } from "./replay.ts";
import { makeWorld } from "./world.ts";

const LONG = process.env.GPU_DEV_SOAK !== undefined;
const WORKLOADS = LONG ? { sqlite: 1000, postgres: 100 } : { sqlite: 3, postgres: 1 };
const STEPS = { sqlite: 50, postgres: 25 };

describe.each(engines)("random workloads on $engine", ({ create, engine }) => {
  const fresh = freshDatabases(create);

  const run = async (seed: number) => {
    const database = await fresh();
    return replay(await makeWorld(database), seed, STEPS[engine]);
  };

  const first = LONG ? chosenSeed() : 1;
  test.each(Array.from({ length: WORKLOADS[engine] }, (_, i) => first + i))(
    "S-01 S-03 S-04 S-06 seed %s: no GPU twice, nobody later than told, nothing waits that could run",
    { timeout: 120_000 },
    async (seed) => {
      const { story } = await run(seed);
      expect(story.length).toBeGreaterThan(STEPS[engine] / 4);
    },
  );

  test.runIf(LONG || engine === "sqlite")(
    "S-06 the same workload has the same story",
    { timeout: 120_000 },
    async () => {
      const [one, two] = [await run(7), await run(7)];
      expect(two).toEqual(one);
      expect(one.story.length).toBeGreaterThan(10);
    },
  );
});
