/**
 * The gateway against hostile clients: frames, lines, offsets, resumes and ends of every wrong kind, over connections in
 * memory and with a clock that is ticked. `npm test` runs a hundredth of `npm run soak`. GPU_DEV_SEED replays a failing run.
 */
import { setImmediate as turn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { TunnelRecord } from "../../src/tunnel/observer.ts";
import { chosenSeed } from "../helpers/random.ts";
import { GatewayScene } from "./gateway-fuzz-scene.ts";

const SEQUENCES = process.env.GPU_DEV_SOAK === undefined ? 1_000 : 100_000;
const STEPS = 40;
const MIB = 1024 * 1024;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are really in use. */
function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** What came of it, to see that the clients are neither all refused nor all nice. */
async function run(seed: number): Promise<TunnelRecord[]> {
  const scene = new GatewayScene(seed);
  const steps = 1 + scene.upTo(STEPS);
  for (let i = 0; i < steps; i++) {
    await scene.step();
    await turn();
    scene.check();
  }
  await scene.finishHonestly();
  scene.check();
  await scene.end();
  return scene.records;
}

test("T-01 T-09 T-11 whatever clients send, the gateway stands, and no byte is there twice or missing", {
  timeout: 3_600_000,
}, async () => {
  const first = chosenSeed();
  const ends: Record<string, number> = {};
  const before = heap();
  for (let seed = first; seed < first + SEQUENCES; seed++) {
    try {
      for (const { end } of await run(seed)) ends[end] = (ends[end] ?? 0) + 1;
    } catch (cause) {
      throw new Error(`GPU_DEV_SEED=${seed}: ${(cause as Error).message}`, { cause });
    }
  }
  for (const end of ["done", "client", "protocol", "not_resumed", "reservation_ended", "pod_lost"])
    expect(ends[end] ?? 0, `${end} of ${JSON.stringify(ends)}`).toBeGreaterThan(0);
  expect(heap() - before).toBeLessThan(64 * MIB);
});
