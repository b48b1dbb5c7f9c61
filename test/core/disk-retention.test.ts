/** What is kept of the work on disks, and for how long. */
import { beforeEach, describe, expect, test } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";
import { listSnapshots } from "../../src/core/disks/listing.ts";
import { createDiskSweep } from "../../src/core/disks/sweep.ts";
import { newId } from "../../src/core/ids.ts";
import { readTotals } from "../../src/core/totals.ts";
import { insertSnapshot } from "../../src/store/snapshots.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type DiskWorld, makeDiskWorld } from "./disk-world.ts";

const HOUR = 3600_000;
const DAY = 24 * HOUR;

describe.each(engines)("disks over the days, $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: DiskWorld;
  let id: string;
  beforeEach(async () => {
    world = await makeDiskWorld(await fresh());
    id = await world.disk("work");
  });
  const sweep = async () => {
    await createDiskSweep(world.core, createConditions(world.core.log))();
    await world.after(0);
  };
  /** One that was taken so many hours ago. */
  const insert = (hours: number) =>
    world.core.store.write(async (tx) => {
      const at = new Date(tx.now.getTime() - hours * HOUR).toISOString();
      const row = { id: newId(), disk_id: id, state: "ready" as const, note: null, reservation_id: null };
      const use = { used_bytes: 1, files: 1, changing: 0 };
      await insertSnapshot(tx, { ...row, ...use, created_at: at, taken_at: at });
    });
  const hoursAgo = async () => {
    const { items } = await listSnapshots(world.core, world.ann, id, { limit: 200 });
    return items.map(({ taken_at }) => (world.clock.now().getTime() - Date.parse(taken_at ?? "")) / HOUR);
  };

  test("D-05 all that are younger than seven days stay, those taken every hour, too", async () => {
    const hours = Array.from({ length: 100 }, (_, i) => i + 1);
    for (const hour of hours) await insert(hour);
    await insert(7 * 24 + 1);
    await sweep();
    expect(await hoursAgo()).toEqual(hours);
  });

  test("D-05 the newest three stay, however old", async () => {
    for (const hours of [226, 227, 228, 229]) await insert(hours);
    await sweep();
    expect(await hoursAgo()).toEqual([226, 227, 228]);
  });

  test("operations that were over 90 days ago are forgotten, and stay counted", async () => {
    await world.use(id);
    const ended = async () => {
      const { disks } = await readTotals(world.core);
      return disks.operations
        .filter(({ state }) => state === "done")
        .reduce((sum, one) => sum + one.operations, 0);
    };
    const before = await ended();
    expect(before).toBe(2);
    world.clock.tick(89 * DAY);
    await sweep();
    expect((await world.rows("disk_operations")).length).toBe(2);
    world.clock.tick(2 * DAY);
    await sweep();
    expect(await world.rows("disk_operations")).toEqual([]);
    expect(await ended()).toBe(before);
  });
});
