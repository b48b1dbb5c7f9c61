/** A tenth of what `npm run soak` does; GPU_DEV_SEED replays the choices, though not the instants, of a run. */
import { test } from "vitest";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { KillRuns } from "./kills.ts";

const LANES = 3;
/** In each lane. */
const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 10 : 100;

/** Side by side, since most of a round is waiting. */
async function lane(seed: number): Promise<void> {
  const dice = new Dice(seed);
  const runs = await KillRuns.start();
  try {
    for (let round = 1; round <= ROUNDS; round++) await runs.round(dice, round % 2 ? "opening" : "flowing");
  } finally {
    await runs.stop();
  }
}

test("T-01 ssh, its proxy, the gateway, sshd and its sessions are killed at random: nothing is left after", {
  timeout: ROUNDS * 60_000,
}, async () => {
  const seed = chosenSeed();
  const lanes = await Promise.allSettled(Array.from({ length: LANES }, (_, i) => lane(seed + i)));
  const failed = lanes.filter((one) => one.status === "rejected").map(({ reason }) => reason as Error);
  if (failed[0]) throw new Error(`GPU_DEV_SEED=${seed}: ${failed[0].message}`, { cause: failed[0] });
});
