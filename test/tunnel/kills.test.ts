/** A fiftieth of what `npm run soak` does; GPU_DEV_SEED replays the choices, though not the instants, of a run. */
import { test } from "vitest";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { KillRuns } from "./kills.ts";

const ROUNDS = process.env.GPU_DEV_SOAK === undefined ? 6 : 300;

test("T-01 ssh, its proxy, the gateway, sshd and its sessions are killed at random: nothing is left after", {
  timeout: 3_600_000,
}, async () => {
  const seed = chosenSeed();
  const dice = new Dice(seed);
  const runs = await KillRuns.start();
  try {
    for (let round = 1; round <= ROUNDS; round++) await runs.round(dice, round % 2 ? "opening" : "flowing");
  } catch (cause) {
    throw new Error(`GPU_DEV_SEED=${seed}: ${(cause as Error).message}`, { cause });
  } finally {
    await runs.stop();
  }
});
