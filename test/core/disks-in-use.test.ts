/** Snapshots of disks that reservations run with: asked for, and every so often. */
import { beforeEach, describe, expect, test } from "vitest";
import { patchDisk } from "../../src/core/disks/changes.ts";
import { getDisk, getOperation, listSnapshots } from "../../src/core/disks/listing.ts";
import { cloneDisk, createSnapshot, resizeDisk, restoreDisk } from "../../src/core/disks/requests.ts";
import { openDueSnapshots } from "../../src/core/disks/schedule.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type DiskWorld, makeDiskWorld } from "./disk-world.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** Against hanging. */
const GUARD = { timeout: 60_000 };

describe.each(engines)("disks in use on $engine", ({ create }) => {
  let world: DiskWorld;
  let id: string;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeDiskWorld(await fresh());
    id = await world.disk("work", { a: "1" });
  });
  const snapshots = async () => (await listSnapshots(world.core, world.ann, id, {})).items;
  /** A reservation with the disk for ten hours, which runs. */
  const running = async () => {
    const reservation = await world.reserve({ disk: id, duration_s: 36_000 });
    await world.after(0);
    return reservation;
  };
  /** Lets time pass as it does, a minute at a time. */
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += MINUTE) await world.after(MINUTE);
  };

  test("D-03 a snapshot is taken while a reservation runs with the disk, and says so", async () => {
    const reservation = await running();
    world.disks.changing = 3;
    await createSnapshot(world.core, world.ann, id, { note: "now" });
    expect(await snapshots()).toMatchObject([{ state: "taking", in_use: null, files_changing: null }]);
    await world.after(0);
    const [taken] = await snapshots();
    expect(taken).toMatchObject({ state: "ready", note: "now", in_use: true, files_changing: 3 });
    expect(await getDisk(world.core, world.ann, id)).toMatchObject({
      state: "in_use",
      last_snapshot: { id: taken?.id, in_use: true, files_changing: 3 },
    });
    world.clock.tick(1);
    await cancelReservation(world.core, world.ann, reservation);
    await world.after(0);
    expect((await snapshots())[0]).toMatchObject({
      in_use: false,
      files_changing: null,
      reservation_id: reservation,
    });
  });

  test("D-01 D-06 nothing else is done with a disk that a reservation has, and no snapshot before it runs", async () => {
    const first = await world.reserve({ gpu_count: 8 });
    const waiting = await world.reserve({ gpu_count: 8, disk: id });
    await world.after(0);
    const { core, ann } = world;
    await expect(createSnapshot(core, ann, id, {})).rejects.toMatchObject({ code: "disk_in_use" });
    await cancelReservation(core, ann, waiting);
    await world.after(0);
    await cancelReservation(core, ann, first);
    await running();
    for (const refused of [
      () => cloneDisk(core, ann, id, { name: "copy" }),
      () => resizeDisk(core, ann, id, { size_bytes: 5e9 }),
    ])
      await expect(refused()).rejects.toMatchObject({ code: "disk_in_use" });
  });

  test("D-03 B-12 a snapshot that goes on when the reservation ends begins anew, and there is one, of what was left", async () => {
    const reservation = await running();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    world.disks.before = (verb) => (verb === "snapshot" ? held : Promise.resolve());
    const { body } = await createSnapshot(world.core, world.ann, id, { note: "mine" });
    const taking = () => world.disks.calls.filter((call) => call.startsWith("snapshot ")).length;
    await expect.poll(taking, GUARD).toBe(1);
    expect((await createSnapshot(world.core, world.ann, id, {})).body.id).toBe(body.id);
    await world.write(id, { a: "last" });
    await cancelReservation(world.core, world.ann, reservation);
    await expect.poll(async () => (await world.show(reservation)).state, GUARD).toBe("cancelled");
    world.disks.before = undefined;
    release();
    await world.after(0);
    await pass(2 * MINUTE);
    expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({ state: "done", error: null });
    expect(await snapshots()).toMatchObject([
      { state: "ready", note: "mine", reservation_id: reservation, in_use: false },
    ]);
    const [only] = await snapshots();
    expect([...world.disks.snapshots.keys()]).toEqual([only?.id]);
    expect(world.disks.snapshots.get(only?.id ?? "")?.get("a")).toBe("last");
    expect(await world.rows("snapshots")).toHaveLength(1);
  });

  test("D-03 one whose outcome is known, and not yet over, when the reservation ends stays beside that of the end", async () => {
    const reservation = await running();
    const { body } = await createSnapshot(world.core, world.ann, id, { note: "mine" });
    await world.after(0);
    await world.core.store.write(({ db, at }) =>
      db
        .updateTable("disk_operations")
        .set({
          finished_at: null,
          next_step_at: at,
          leased_by: "a dead server",
          leased_until: "2999-01-01T00:00:00.000Z",
        })
        .where("id", "=", body.id)
        .execute(),
    );
    world.clock.tick(1);
    await cancelReservation(world.core, world.ann, reservation);
    await world.after(0);
    expect(await snapshots()).toMatchObject([
      { reservation_id: reservation, state: "ready" },
      { note: "mine", state: "ready", in_use: true },
    ]);
    expect(await getDisk(world.core, world.ann, id)).toMatchObject({ state: "ready" });
  });

  describe("every six hours", () => {
    beforeEach(async () => {
      await patchDisk(world.core, world.ann, id, { snapshot_every_s: (6 * HOUR) / 1000 });
    });

    test("D-03 one is taken six hours after the start and after the last one, and none while nobody has the disk", async () => {
      await pass(2 * MINUTE);
      world.clock.tick(7 * HOUR);
      await pass(2 * MINUTE);
      expect(await snapshots()).toEqual([]);
      await running();
      world.clock.tick(6 * HOUR - 2 * MINUTE);
      await pass(MINUTE);
      expect(await snapshots()).toEqual([]);
      await pass(3 * MINUTE);
      expect(await snapshots()).toMatchObject([{ state: "ready", in_use: true, reservation_id: null }]);
      await pass(10 * MINUTE);
      expect(await snapshots()).toHaveLength(1);
      const taken = (await world.rows("audit")).filter((row) => row.action === "disk.snapshot");
      expect(taken).toMatchObject([{ actor: "system" }]);
    });

    test("D-03 what was missed while no server was there makes one, and one that fails is not begun again at once", async () => {
      await patchDisk(world.core, world.ann, id, { snapshot_every_s: HOUR / 1000 });
      await running();
      await world.reconciler.stop();
      world.clock.tick(5 * HOUR);
      world.reconciler.start();
      await pass(3 * MINUTE);
      expect(await snapshots()).toHaveLength(1);
      world.disks.faults.set("snapshot", new DriverError("EIO: input/output error"));
      world.clock.tick(HOUR);
      await pass(20 * MINUTE);
      const kinds = (await world.operations(id)).map(({ kind, state }) => `${kind} ${state}`);
      expect(kinds).toEqual(["snapshot failed", "snapshot done", "create done"]);
      expect(await snapshots()).toHaveLength(1);
    });

    test("B-12 two servers that find it due begin one", async () => {
      await running();
      await world.reconciler.stop();
      world.clock.tick(7 * HOUR);
      await Promise.all([openDueSnapshots(world.core), openDueSnapshots(world.core)]);
      expect(await snapshots()).toMatchObject([{ state: "taking" }]);
    });

    test("it goes over to a clone, and never ends it", async () => {
      const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
      await world.after(0);
      const copy = () => getDisk(world.core, world.ann, body.new_disk_id ?? "");
      expect(await copy()).toMatchObject({ snapshot_policy: "on_end", snapshot_every_s: 21_600 });
      await patchDisk(world.core, world.ann, body.new_disk_id ?? "", { snapshot_policy: "never" });
      expect(await copy()).toMatchObject({ snapshot_policy: "never", snapshot_every_s: null });
      await patchDisk(world.core, world.ann, body.new_disk_id ?? "", { snapshot_every_s: 3600 });
      expect(await copy()).toMatchObject({ snapshot_policy: "on_end", snapshot_every_s: 3600 });
    });
  });

  describe("restoring in place", () => {
    let old: string;
    beforeEach(async () => {
      const { body } = await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      old = body.snapshot_id ?? "";
      await world.write(id, { a: "newer" });
    });

    test("D-06 what it replaces is in a snapshot first, and can be had again", async () => {
      world.clock.tick(1);
      const { body } = await restoreDisk(world.core, world.ann, id, { snapshot: old });
      await world.after(0);
      expect(await world.filesOf(id)).toEqual({ a: "1" });
      const [kept, ...others] = await snapshots();
      expect(kept).toMatchObject({
        id: body.kept_snapshot_id,
        state: "ready",
        note: `before the restore of ${old.slice(0, 8)}`,
      });
      expect(others.map((one) => one.id)).toEqual([old]);
      await restoreDisk(world.core, world.ann, id, { snapshot: kept?.id ?? "" });
      await world.after(0);
      expect(await world.filesOf(id)).toEqual({ a: "newer" });
    });

    test.each(["snapshot", "restore"] as const)(
      "D-03 D-06 when its %s fails for good all is as it was, with the snapshots that there were",
      async (verb) => {
        world.disks.faults.set(verb, new DriverError("EIO: input/output error"));
        const { body } = await restoreDisk(world.core, world.ann, id, { snapshot: old });
        for (let i = 0; i < 8; i++) await world.after(MINUTE);
        expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({ state: "failed" });
        expect(await world.filesOf(id)).toEqual({ a: "newer" });
        expect((await snapshots()).map((one) => one.id)).toEqual([old]);
        expect([...world.disks.snapshots.keys()]).toEqual([old]);
        expect(world.disks.disks.size).toBe(1);
      },
    );
  });
});
