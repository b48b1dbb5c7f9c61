import { sql } from "kysely";
import { beforeEach, describe, expect, test } from "vitest";
import type { Problem } from "../../src/api/errors.ts";
import { deleteDisk, patchDisk, undeleteDisk, unlockDisk } from "../../src/core/disks/changes.ts";
import { getDisk, getOperation, listDisks, listSnapshots } from "../../src/core/disks/listing.ts";
import {
  cloneDisk,
  createDisk,
  createSnapshot,
  resizeDisk,
  restoreDisk,
} from "../../src/core/disks/requests.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { DiskRefused } from "../../src/drivers/disks.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { lockNames, takeDisk, updateDisk } from "../../src/store/disks.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type DiskWorld, makeDiskWorld } from "./disk-world.ts";

const DAY = 86_400_000;
/** Against hanging; what really happens is polled until then. */
const GUARD = { timeout: 60_000 };
const UNKNOWN = "a2345672345672345672";

describe.each(engines)("disks on $engine", ({ engine, create }) => {
  let world: DiskWorld;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeDiskWorld(await fresh());
  });
  const show = (id: string) => getDisk(world.core, world.ann, id);
  const snapshots = async (id: string) => (await listSnapshots(world.core, world.ann, id, {})).items;
  /** Somebody waits for a row that somebody else has; in SQLite all wait in one place, and there is nothing to see of it. */
  const untilWaiting = async (): Promise<void> => {
    const waiting = sql<{ n: string }>`select count(*) as n from pg_locks where not granted`;
    const seen = () => world.core.store.read(async (db) => (await waiting.execute(db)).rows[0]?.n);
    if (engine === "postgres") await expect.poll(seen, GUARD).not.toBe("0");
  };
  const refusal = (asked: Promise<unknown>): Promise<Problem> =>
    asked.then(
      () => {
        throw new Error("it was not refused");
      },
      (error: Problem) => error,
    );

  describe("being held", () => {
    test("D-01 a disk is held from the creation of a reservation on, and who comes second is told until when", async () => {
      const id = await world.disk("work");
      const reservation = await world.reserve({ disk: "work", name: "first" });
      await world.after(0);
      const { ends_at } = await world.show(reservation);
      expect(await show(id)).toMatchObject({
        state: "in_use",
        held_by: { id: reservation, name: "first" },
        held_until: ends_at,
      });
      expect(await refusal(world.reserve({ disk: id }))).toMatchObject({
        code: "disk_in_use",
        message: `disk work is in use by reservation first, which is active: until ${ends_at}, as it stands`,
      });
      expect(await world.show(reservation)).toMatchObject({ disk: "work", disk_id: id });
      expect([...world.driver.pods.values()].map((pod) => pod.spec.disk)).toEqual([
        { volume: (await world.rows("disks"))[0]?.volume },
      ]);
    });

    test("D-01 one that waits in the queue holds its disk as well", async () => {
      const id = await world.disk("work");
      await world.reserve({ gpu_count: 8 });
      const waiting = await world.reserve({ gpu_count: 8, disk: id });
      const { latest_start_at } = await world.show(waiting);
      expect(Date.parse((await show(id)).held_until ?? "")).toBeGreaterThan(
        Date.parse(latest_start_at ?? ""),
      );
      expect((await refusal(world.reserve({ disk: id }))).code).toBe("disk_in_use");
      await cancelReservation(world.core, world.ann, waiting);
      // Nobody could write to it: there is nothing to keep.
      expect(await show(id)).toMatchObject({ state: "ready", held_by: null });
    });

    test("D-01 D-09 of twenty at once one gets it, the others a 409", async () => {
      const id = await world.disk("work");
      const asked = await Promise.allSettled(
        Array.from({ length: 20 }, () => world.reserve({ disk: id, gpu_count: 1 })),
      );
      const refused = asked.flatMap((one) => (one.status === "rejected" ? [one.reason as Problem] : []));
      expect(refused.map(({ status, code }) => [status, code])).toEqual(
        Array.from({ length: 19 }, () => [409, "disk_in_use"]),
      );
    });

    test("D-01 the database itself refuses two holders, and one that is over", async () => {
      const id = await world.disk("work");
      const [first, second] = [await world.reserve({ disk: id }), await world.reserve()];
      const set = (reservation: string, change: object) =>
        world.core.store.write(({ db }) =>
          db.updateTable("reservations").set(change).where("id", "=", reservation).execute(),
        );
      await expect(set(second, { disk_id: id, disk_held: 1 })).rejects.toThrow(/unique|duplicate/i);
      await cancelReservation(world.core, world.ann, first);
      await world.after(0);
      expect((await world.show(first)).state).toBe("cancelled");
      await expect(set(first, { disk_held: 1 })).rejects.toThrow(/check/i);
    });

    test("D-02 a disk that cannot be attached fails the reservation, which leaves nothing", async () => {
      const id = await world.disk("work");
      world.driver.faults.set("launch", new LaunchRefused("the disk is attached elsewhere"));
      const reservation = await world.reserve({ disk: id });
      await world.after(0);
      expect(await world.show(reservation)).toMatchObject({
        state: "failed",
        reason: "the pod cannot be launched: the disk is attached elsewhere",
      });
      expect(world.driver.pods.size).toBe(0);
      expect(await show(id)).toMatchObject({ state: "ready", last_snapshot: null });
    });

    test("D-02 several nodes, an unknown, a foreign and a deleted disk are refused, and nothing is created", async () => {
      const id = await world.disk("work");
      const gone = await world.disk("gone");
      await deleteDisk(world.core, world.ann, gone);
      expect((await refusal(world.reserve({ disk: "nope" }))).code).toBe("not_found");
      expect((await refusal(world.reserve({ disk: "gone" }))).code).toBe("not_found");
      expect((await refusal(world.reserve({ disk: gone }))).code).toBe("disk_deleted");
      const foreign = await refusal(world.reserve({ disk: id }, world.bob));
      expect(foreign.message).toBe(
        (await refusal(world.reserve({ disk: UNKNOWN }, world.bob))).message.replace(UNKNOWN, id),
      );
      expect(await world.rows("reservations")).toEqual([]);
    });

    test("D-09 whatever is asked for a disk at the same moment is done or refused with a 409, one at a time", async () => {
      const id = await world.disk("work", { a: "1" });
      await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      const [snapshot] = await snapshots(id);
      const { core, ann } = world;
      await world.reconciler.stop();
      const wishes = Array.from({ length: 4 }, (_, i) => [
        world.reserve({ disk: id }),
        createSnapshot(core, ann, id, {}),
        resizeDisk(core, ann, id, { size_bytes: 2e9 + i }),
        cloneDisk(core, ann, id, { name: `copy-${i}` }),
        restoreDisk(core, ann, id, { snapshot: snapshot?.id ?? "" }),
        patchDisk(core, ann, id, { name: `work-${i}` }),
      ]).flat();
      for (const one of await Promise.allSettled<unknown>(wishes))
        if (one.status === "rejected") expect([409, 503]).toContain((one.reason as Problem).status);
      const open = (await world.rows("disk_operations")).filter((row) => row.finished_at === null);
      const held = (await world.rows("reservations")).filter((row) => row.disk_held === 1);
      expect(open.length + held.length).toBe(1);
    });
  });

  test("D-09 changes of one disk at the same moment do not undo each other, and undeleting twice is done once", async () => {
    const id = await world.disk("work");
    const { core, ann } = world;
    await Promise.all([
      patchDisk(core, ann, id, { name: "renamed" }),
      patchDisk(core, ann, id, { snapshot_policy: "never" }),
    ]);
    expect(await getDisk(core, ann, id)).toMatchObject({ name: "renamed", snapshot_policy: "never" });
    await deleteDisk(core, ann, id);
    const back = await Promise.all([undeleteDisk(core, ann, id, {}), undeleteDisk(core, ann, id, {})]);
    expect(back.map(({ name, deleted_at }) => [name, deleted_at])).toEqual(Array(2).fill(["renamed", null]));
  });

  test("D-09 a lock that somebody else has is waited for, and a deadlock is tried again", async () => {
    const id = await world.disk("work");
    const [taken, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    // The other way round than everybody else: first the disk, then the names.
    const other = world.core.store.write(async (tx) => {
      await takeDisk(tx, id);
      taken.resolve();
      await go.promise;
      await lockNames(tx, world.ann.id);
    });
    await taken.promise;
    const renamed = patchDisk(world.core, world.ann, id, { name: "renamed" });
    await untilWaiting();
    go.resolve();
    await other;
    expect((await renamed).name).toBe("renamed");
  });

  test("D-06 D-09 what is made of a disk that is being resized has its size as it is then", async () => {
    const id = await world.disk("work");
    const [taken, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const resizing = world.core.store.write(async (tx) => {
      await takeDisk(tx, id);
      taken.resolve();
      await go.promise;
      await updateDisk(tx, id, { size_bytes: 5e9, snapshot_policy: "never" });
    });
    await taken.promise;
    const cloned = cloneDisk(world.core, world.ann, id, { name: "copy" });
    await untilWaiting();
    go.resolve();
    await resizing;
    expect(await show((await cloned).body.new_disk_id ?? "")).toMatchObject({
      size_bytes: 5e9,
      snapshot_policy: "never",
    });
  });

  describe("snapshots", () => {
    test("D-03 the end of a reservation frees its GPUs first, and holds the disk until its snapshot is taken", async () => {
      const id = await world.disk("work");
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      world.disks.before = (verb) => (verb === "snapshot" ? held : Promise.resolve());
      const reservation = await world.reserve({ disk: id });
      await world.after(0);
      await world.write(id, { "src/a.txt": "hello" });
      await cancelReservation(world.core, world.ann, reservation);
      await expect.poll(async () => (await world.show(reservation)).state, GUARD).toBe("cancelled");
      expect(await world.rows("allocations")).toEqual([]);
      await expect
        .poll(() => world.disks.calls.some((call) => call.startsWith("snapshot ")), GUARD)
        .toBe(true);
      // Written down before it was taken.
      expect(await snapshots(id)).toMatchObject([
        { state: "taking", reservation_id: reservation, taken_at: null },
      ]);
      expect(await show(id)).toMatchObject({
        state: "busy",
        held_by: null,
        last_used_at: expect.any(String),
      });
      expect(await refusal(world.reserve({ disk: id }))).toMatchObject({ code: "disk_busy", status: 409 });
      release();
      await world.after(0);
      const [taken] = await snapshots(id);
      expect(taken).toMatchObject({ state: "ready", used_bytes: 5, files: 1, taken_at: expect.any(String) });
      expect(await show(id)).toMatchObject({
        state: "ready",
        used_bytes: 5,
        last_snapshot: { id: taken?.id, taken_at: taken?.taken_at },
      });
      expect(await world.reserve({ disk: id })).toEqual(expect.any(String));
    });

    test("D-03 with the policy never the disk is only measured", async () => {
      const id = await world.disk("work", { a: "12345678" });
      await patchDisk(world.core, world.ann, id, { snapshot_policy: "never" });
      await world.use(id);
      expect(await snapshots(id)).toEqual([]);
      expect(await show(id)).toMatchObject({ state: "ready", used_bytes: 8, last_snapshot: null });
    });

    test("D-03 D-08 a snapshot that fails is tried again, and in the end is none", async () => {
      const id = await world.disk("work", { a: "1" });
      world.disks.faults.set("snapshot", new DriverError("ENOSPC: no space left on device"));
      const { body } = await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      const operation = () => getOperation(world.core, world.ann, body.id);
      expect(await operation()).toMatchObject({ state: "running", error: "ENOSPC: no space left on device" });
      for (let i = 0; i < 6; i++) await world.after(60_000);
      expect(await operation()).toMatchObject({
        state: "failed",
        error: "ENOSPC: no space left on device",
        finished_at: expect.any(String),
      });
      expect(await snapshots(id)).toEqual([]);
      expect(await world.rows("snapshots")).toEqual([]);
      expect(await show(id)).toMatchObject({ state: "ready" });
      world.disks.faults.clear();
      await createSnapshot(world.core, world.ann, id, { note: "second try" });
      await world.after(0);
      expect(await snapshots(id)).toMatchObject([{ state: "ready", note: "second try" }]);
    });

    test("D-08 what the engine did not intend to say is for the log, not for users", async () => {
      const id = await world.disk("work");
      world.disks.faults.set("snapshot", new TypeError("cannot read properties of undefined"));
      await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      expect((await world.operations(id))[0]?.error).toBe("an internal error; the server's log tells more");
      expect(
        world.logs.some(({ level, fields }) => level === "error" && fields.err instanceof TypeError),
      ).toBe(true);
    });

    test("D-05 the newest three and all that are younger than seven days stay; with an entry in the audit trail", async () => {
      const id = await world.disk("work");
      const take = async (note: string) => {
        await createSnapshot(world.core, world.ann, id, { note });
        await world.after(0);
      };
      for (const note of ["1", "2", "3", "4", "5"]) {
        await take(note);
        await world.after(2 * DAY);
      }
      const notes = async () => (await snapshots(id)).map((one) => one.note);
      // Ages in days: 10, 8, 6, 4, 2.
      expect(await notes()).toEqual(["5", "4", "3"]);
      await world.after(30 * DAY);
      expect(await notes()).toEqual(["5", "4", "3"]);
      for (const note of ["6", "7", "8", "9"]) {
        await take(note);
        await world.after(1);
      }
      await world.after(60_000);
      expect(await notes()).toEqual(["9", "8", "7", "6"]);
      expect(world.disks.snapshots.size).toBe(4);
      const audit = (await world.rows("audit")).filter((row) => row.action === "snapshot.retire");
      expect(audit).toHaveLength(5);
    });
  });

  describe("operations", () => {
    test("D-06 D-08 a clone has what was there, and is a disk of its own", async () => {
      const id = await world.disk("work", { a: "1", b: "22" });
      const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
      expect(body).toMatchObject({ kind: "clone", state: "queued", disk_id: id });
      await world.after(0);
      const copy = body.new_disk_id ?? "";
      expect(await world.filesOf(copy)).toEqual({ a: "1", b: "22" });
      expect(await show(copy)).toMatchObject({ name: "copy", state: "ready", used_bytes: 3 });
      await world.write(copy, { a: "other" });
      expect(await world.filesOf(id)).toEqual({ a: "1", b: "22" });
      expect((await world.operations(copy)).map((one) => one.id)).toEqual([body.id]);
      expect((await world.operations(id)).map((one) => one.kind)).toEqual(["clone", "create"]);
    });

    test("D-06 what fails for good leaves neither row nor data nor a name in use, and is told apart from what is slow", async () => {
      const id = await world.disk("work", { a: "1" });
      world.disks.faults.set("clone", new DiskRefused("3 bytes do not fit"));
      const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
      await world.after(0);
      expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({
        state: "failed",
        error: "3 bytes do not fit",
      });
      const { items } = await listDisks(world.core, world.ann, { state: "all" });
      expect(items.map((disk) => disk.name)).toEqual(["work"]);
      expect([...world.disks.disks.keys()]).toHaveLength(1);
      world.disks.faults.clear();
      await cloneDisk(world.core, world.ann, id, { name: "copy" });
      await world.after(0);
      expect((await listDisks(world.core, world.ann, { name: "copy" })).items).toHaveLength(1);
    });

    test("D-06 restoring in place swaps in one step; until then, and after a failure, all is as it was", async () => {
      const id = await world.disk("work", { a: "old" });
      await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      const [snapshot] = await snapshots(id);
      await world.write(id, { a: "new", b: "more" });
      world.disks.faults.set("restore", new DiskRefused("the snapshot is damaged"));
      await restoreDisk(world.core, world.ann, id, { snapshot: snapshot?.id ?? "" });
      await world.after(0);
      expect(await world.filesOf(id)).toEqual({ a: "new", b: "more" });
      expect(await show(id)).toMatchObject({ state: "ready" });
      world.disks.faults.clear();
      await restoreDisk(world.core, world.ann, id, { snapshot: snapshot?.id ?? "" });
      await world.after(0);
      expect(await world.filesOf(id)).toEqual({ a: "old" });
      // What was replaced is gone.
      expect(world.disks.disks.size).toBe(1);
      await restoreDisk(world.core, world.ann, id, { snapshot: snapshot?.id ?? "", as: "back" });
      await world.after(0);
      const back = (await listDisks(world.core, world.ann, { name: "back" })).items[0];
      expect(await world.filesOf(back?.id ?? "")).toEqual({ a: "old" });
    });

    test("D-06 source, target and state are checked first", async () => {
      const id = await world.disk("work");
      const other = await world.disk("other");
      await createSnapshot(world.core, world.ann, other, {});
      await world.after(0);
      const [foreign] = await snapshots(other);
      const { core, ann, bob } = world;
      const codes = async (asked: Promise<unknown>) => (await refusal(asked)).code;
      expect(await codes(cloneDisk(core, ann, id, { name: "other" }))).toBe("name_taken");
      expect(await codes(createDisk(core, ann, { name: "work" }))).toBe("name_taken");
      expect(await codes(patchDisk(core, ann, id, { name: "other" }))).toBe("name_taken");
      expect(await codes(restoreDisk(core, ann, id, { snapshot: foreign?.id ?? "" }))).toBe("not_found");
      expect(await codes(restoreDisk(core, ann, id, { snapshot: UNKNOWN, as: "x" }))).toBe("not_found");
      expect(await codes(cloneDisk(core, bob, id, { name: "x" }))).toBe("not_found");
      await world.reserve({ disk: id });
      expect(await codes(resizeDisk(core, ann, id, { size_bytes: 2e9 }))).toBe("disk_in_use");
      expect(await codes(createSnapshot(core, ann, id, {}))).toBe("disk_in_use");
      expect(await codes(cloneDisk(core, ann, id, { name: "x" }))).toBe("disk_in_use");
      expect(await codes(deleteDisk(core, ann, id))).toBe("disk_in_use");
      // Renaming is nobody's trouble.
      expect((await patchDisk(core, ann, id, { name: "renamed" })).name).toBe("renamed");
      expect((await listDisks(core, ann, { state: "all" })).items.map((d) => d.name)).toEqual([
        "other",
        "renamed",
      ]);
    });

    test("D-06 resizing changes the size when it is done", async () => {
      const id = await world.disk("work");
      await resizeDisk(world.core, world.ann, id, { size_bytes: 7e9 });
      expect((await show(id)).size_bytes).toBe(100e9);
      await world.after(0);
      expect((await show(id)).size_bytes).toBe(7e9);
      world.clock.tick(1);
      world.disks.faults.set("resize", new DiskRefused("5 GB are used"));
      await resizeDisk(world.core, world.ann, id, { size_bytes: 1e9 });
      await world.after(0);
      expect((await show(id)).size_bytes).toBe(7e9);
      expect((await world.operations(id))[0]).toMatchObject({ state: "failed", error: "5 GB are used" });
    });

    test("B-12 asking again for what goes on gets it; another one has to wait", async () => {
      const id = await world.disk("work");
      await world.reconciler.stop();
      const first = await createSnapshot(world.core, world.ann, id, {});
      const again = await createSnapshot(world.core, world.ann, id, {});
      expect(again.body.id).toBe(first.body.id);
      const other = await refusal(resizeDisk(world.core, world.ann, id, { size_bytes: 2e9 }));
      expect(other).toMatchObject({ code: "disk_busy", status: 409 });
      const row = (await world.rows("disk_operations")).find((one) => one.id === first.body.id);
      const twice = world.core.store.write(({ db }) =>
        db
          .insertInto("disk_operations")
          .values({ ...row, id: UNKNOWN } as NonNullable<typeof row>)
          .execute(),
      );
      await expect(twice).rejects.toThrow(/unique|duplicate/i);
    });
  });

  describe("deleting", () => {
    test("D-04 a deleted disk can be brought back for 30 days; its name is free meanwhile", async () => {
      const id = await world.disk("work", { a: "1" });
      const deleted = await deleteDisk(world.core, world.ann, id);
      expect(deleted).toMatchObject({ state: "deleted", deleted_at: expect.any(String) });
      expect(Date.parse(deleted.purge_at ?? "") - Date.parse(deleted.deleted_at ?? "")).toBe(30 * DAY);
      expect(await deleteDisk(world.core, world.ann, id)).toEqual(deleted);
      expect((await listDisks(world.core, world.ann, {})).items).toEqual([]);
      expect((await listDisks(world.core, world.ann, { state: "deleted" })).items).toHaveLength(1);
      await world.disk("work");
      const taken = await refusal(undeleteDisk(world.core, world.ann, id, {}));
      expect(taken).toMatchObject({ code: "name_taken", hint: "give the deleted one another name" });
      await world.after(29 * DAY);
      const back = await undeleteDisk(world.core, world.ann, id, { name: "work-2" });
      expect(back).toMatchObject({ name: "work-2", state: "ready", deleted_at: null, purge_at: null });
      expect(await world.filesOf(id)).toEqual({ a: "1" });
      const actions = (await world.rows("audit"))
        .filter((row) => row.subject === id)
        .map((row) => row.action);
      expect(actions.filter((action) => /delete/.test(action)).sort()).toEqual([
        "disk.delete",
        "disk.undelete",
      ]);
    });

    test("D-04 D-08 after 30 days it is purged, with its snapshots, by an operation with an audit entry", async () => {
      const id = await world.disk("work", { a: "1" });
      await createSnapshot(world.core, world.ann, id, {});
      await world.after(0);
      await deleteDisk(world.core, world.ann, id);
      world.disks.faults.set("remove", new DriverError("EIO: input/output error"));
      await world.after(30 * DAY);
      expect((await refusal(undeleteDisk(world.core, world.ann, id, {}))).code).toBe("disk_busy");
      for (let i = 0; i < 10; i++) await world.after(60_000);
      expect(await show(id)).toMatchObject({ state: "deleted" });
      expect((await world.operations(id))[0]).toMatchObject({ kind: "purge", state: "running" });
      world.disks.faults.clear();
      await world.after(60_000);
      expect((await refusal(show(id))).code).toBe("not_found");
      expect([world.disks.disks.size, world.disks.snapshots.size]).toEqual([0, 0]);
      expect(await world.rows("snapshots")).toEqual([]);
      const purge = (await world.rows("disk_operations")).find((row) => row.kind === "purge");
      expect(await getOperation(world.core, world.ann, purge?.id ?? "")).toMatchObject({ state: "done" });
      expect((await world.rows("audit")).some((row) => row.action === "disk.purge.done")).toBe(true);
    });
  });

  describe("unlocking", () => {
    test("an administrator takes a disk from a reservation whose end hangs, and from no other", async () => {
      const id = await world.disk("work");
      const reservation = await world.reserve({ disk: id });
      await world.after(0);
      expect((await refusal(unlockDisk(world.core, world.ann, id))).code).toBe("disk_in_use");
      world.driver.faults.set("terminate", new DriverError("no answer"));
      await cancelReservation(world.core, world.ann, reservation);
      await world.after(0);
      expect((await refusal(unlockDisk(world.core, world.bob, id))).code).toBe("not_found");
      expect(await unlockDisk(world.core, world.ann, id)).toMatchObject({ state: "ready", held_by: null });
      expect(await unlockDisk(world.core, world.ann, id)).toMatchObject({ state: "ready" });
      expect((await world.rows("audit")).filter((row) => row.action === "disk.unlock")).toHaveLength(1);
      world.driver.faults.clear();
      await world.after(60_000);
      expect((await world.show(reservation)).state).toBe("cancelled");
      expect(await snapshots(id)).toEqual([]);
    });
  });
});
