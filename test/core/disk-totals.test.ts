/** What is counted of disks. */
import { expect, test } from "vitest";
import { deleteDisk } from "../../src/core/disks/changes.ts";
import { createSnapshot } from "../../src/core/disks/requests.ts";
import { readTotals } from "../../src/core/totals.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeDiskWorld } from "./disk-world.ts";

for (const { engine, create } of engines) {
  const fresh = freshDatabases(create);
  test(`O-01 disks, their bytes and operations are counted by what the contract shows, on ${engine}`, async () => {
    const world = await makeDiskWorld(await fresh());
    const { core, ann } = world;
    expect((await readTotals(core)).disks).toEqual({
      byState: new Map(),
      snapshotBytes: 0,
      operations: [],
    });
    const [kept, held, gone, busy] = [
      await world.disk("kept", { a: "12345" }),
      await world.disk("held"),
      await world.disk("gone"),
      await world.disk("busy"),
    ];
    await createSnapshot(core, ann, kept, {});
    await world.reserve({ disk: held });
    await world.after(0);
    await deleteDisk(core, ann, gone);
    world.disks.faults.set("snapshot", new DriverError("EIO: input/output error"));
    await createSnapshot(core, ann, busy, {});
    await world.after(0);
    const { byState, snapshotBytes, operations } = (await readTotals(core)).disks;
    const one = { disks: 1, sizeBytes: 100e9, usedBytes: 0 };
    expect(Object.fromEntries(byState)).toEqual({
      ready: { ...one, usedBytes: 5 },
      in_use: one,
      deleted: one,
      busy: one,
    });
    expect(snapshotBytes).toBe(5);
    const counted = operations.map(({ kind, state, operations: n }) => `${n} ${kind} ${state}`);
    expect(counted.sort()).toEqual(["1 snapshot done", "1 snapshot running", "4 create done"]);
  });
}
