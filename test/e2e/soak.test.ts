/** A seeded tenth of `npm run soak`; GPU_DEV_SEED replays a run. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryHome } from "../helpers/gpu-dev.ts";
import { chosenSeed } from "../helpers/random.ts";
import { soak } from "../helpers/soak.ts";

test("L-05 S-01 L-04 ten kills at random instants lose nothing and leave nothing", {
  timeout: 900_000,
}, async () => {
  const { home, remove } = temporaryHome();
  const seed = chosenSeed();
  console.log(`soak seed ${seed}`);
  const key = join(home, "key");
  expect(spawnSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]).status).toBe(0);
  const publicKey = readFileSync(`${key}.pub`, "utf8").trim();
  await soak({ home, seed, kills: 10, publicKey, log: (line) => console.log(line) });
  remove();
});
