/**
 * The API against requests drawn from its own OpenAPI document, as nobody, as a user and as an administrator. `npm test` runs a tenth of
 * `npm run soak`. GPU_DEV_SEED replays a run.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { chosenSeed } from "../helpers/random.ts";
import { operations } from "./document.ts";
import { request } from "./draw-request.ts";
import { type Role, Scene } from "./fuzz-scene.ts";

const SOAK = process.env.GPU_DEV_SOAK !== undefined;
/** On each engine. */
const REQUESTS = SOAK ? 5000 : 500;
/** Of the operations, how many are answered with what they are for when drawn requests alone count. */
const DRAWN_SHARE = SOAK ? 0.9 : 0.5;

const names = operations.map(({ name }) => name);

const roles = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Role>("none") },
  { weight: 4, arbitrary: fc.constantFrom<Role>("user", "admin") },
);

const seed = chosenSeed();

describe.each(engines)("on $engine", (engine) => {
  test(`A-14 A-02 no 5xx, no answer outside of the document, nothing of others (seed ${seed})`, {
    timeout: REQUESTS * 2000,
  }, async () => {
    const scene = await Scene.open(engine);
    try {
      await scene.visitAll();
      const before = await scene.ofVera();
      let sent = 0;
      const property = fc.asyncProperty(request, roles, async (asked, role) => {
        await scene.send(asked, role);
        if (++sent % 100 === 0) await scene.pass();
      });
      // The scene goes on from request to request, so that a smaller case could not be told from another one.
      await fc.assert(property, { seed, numRuns: REQUESTS, endOnFailure: true });
      const without = (some: ReadonlySet<string>) => names.filter((name) => !some.has(name));
      expect(without(scene.reached), "operations that never answered with what they are for").toEqual([]);
      const missed = without(scene.drawn);
      expect(1 - missed.length / names.length, `not drawn well: ${missed}`).toBeGreaterThan(DRAWN_SHARE);
      expect(await scene.ofVera()).toEqual(before);
    } finally {
      await scene.close();
    }
  });
});
