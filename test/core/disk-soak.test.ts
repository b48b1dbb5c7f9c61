/** A tenth of what `npm run soak` does; GPU_DEV_SEED replays the choices, though not the instants, of a run. */
import { expect, test } from "vitest";
import { LocalDiskRig } from "../drivers/disks-rig.ts";
import { mountMedium } from "../drivers/medium.ts";
import { DiskSoak } from "../helpers/disk-soak.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDisks } from "../helpers/fake-disks.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { makeWorld } from "./world.ts";

/** In each of the lanes, which are side by side, since most of a round is waiting. */
const KILLS = process.env.GPU_DEV_SOAK === undefined ? 10 : 100;

const root = process.getuid?.() === 0;
const lanes = engines.map(({ engine, create }) => ({ engine, fresh: freshDatabases(create) }));

async function run({ engine, fresh }: (typeof lanes)[number], seed: number): Promise<DiskSoak> {
  const database = await fresh();
  // Images are what root has; directories what everybody has.
  const medium = root ? mountMedium("ext4") : "only root mounts one";
  if (root && typeof medium === "string") throw new Error(medium);
  const parent = typeof medium === "string" ? undefined : medium.directory;
  const isolation = engine === "sqlite" && root ? "namespaces" : "processes";
  const rig = await LocalDiskRig.make(isolation, parent);
  const clock = {
    ahead: 0,
    now: () => new Date(Date.now() + clock.ahead),
    tick(ms: number) {
      clock.ahead += ms;
    },
  };
  const world = await makeWorld(database, { clock, parts: { disks: createFakeDisks() } });
  await rig.open();
  const { core, ann: caller, rows } = world;
  const dice = new Dice(seed);
  const soak = new DiskSoak({
    rig,
    databaseUrl: database.url,
    core,
    caller,
    dice,
    clock,
    rows,
    mayFail: root,
  });
  await soak.run(KILLS);
  await rig.close();
  if (typeof medium !== "string") medium.unmount();
  return soak;
}

test("D-03 D-06 D-11 L-05 killed at random in the middle of everything, disks lose nothing and leave nothing half made", {
  timeout: 3_600_000,
}, async () => {
  const seed = chosenSeed();
  const runs = await Promise.allSettled(lanes.map((lane, i) => run(lane, seed + i)));
  const failed = runs.find((one) => one.status === "rejected");
  if (failed) throw new Error(`GPU_DEV_SEED=${seed}: ${failed.reason.message}`, { cause: failed.reason });
  for (const one of runs) {
    const { kills, done } = one.status === "fulfilled" ? one.value : { kills: 0, done: 0 };
    expect(kills).toBe(KILLS);
    // Else too little happened for this to prove anything; on a medium that fails some of it must not.
    expect(done).toBeGreaterThanOrEqual(KILLS / 4);
  }
});
