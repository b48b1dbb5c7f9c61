/** What a crash leaves of what is done with disks, and what the sweep makes of it. */
import { beforeEach, describe, expect, test } from "vitest";
import type { DiskOperation } from "../../src/api/disks.ts";
import { deleteDisk } from "../../src/core/disks/changes.ts";
import { getDisk, getOperation, listSnapshots } from "../../src/core/disks/listing.ts";
import {
  cloneDisk,
  createDisk,
  createSnapshot,
  resizeDisk,
  restoreDisk,
} from "../../src/core/disks/requests.ts";
import type { Progress } from "../../src/drivers/disks.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import type { OperationRow } from "../../src/store/disk-tables.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type DiskWorld, makeDiskWorld } from "./disk-world.ts";

const DAY = 86_400_000;
const STRAY = "b2345672345672345672";
const silent: Progress = () => undefined;

describe.each(engines)("disks after a crash on $engine", ({ create }) => {
  let world: DiskWorld;
  let id: string;
  let snapshot: string;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeDiskWorld(await fresh());
    id = await world.disk("work", { a: "old" });
    const { body } = await createSnapshot(world.core, world.ann, id, {});
    await world.after(0);
    snapshot = body.snapshot_id ?? "";
    await world.write(id, { a: "newer" });
    await world.reconciler.stop();
    world.clock.tick(1);
  });

  const row = async (operation: DiskOperation): Promise<OperationRow> => {
    const found = (await world.rows("disk_operations")).find((one) => one.id === operation.id);
    if (!found) throw new Error("there is no such operation");
    return found;
  };
  const lease = (operation: DiskOperation, owner: string) =>
    world.core.store.write(({ db, now }) =>
      db
        .updateTable("disk_operations")
        .set({ leased_by: owner, leased_until: new Date(now.getTime() + 15_000).toISOString() })
        .where("id", "=", operation.id)
        .execute(),
    );

  /** Each way to change a disk: how it is asked for, what its worker does outside, and what is so when it is done. */
  const ways: Record<
    string,
    {
      ask(): Promise<{ body: DiskOperation }>;
      outside(made: OperationRow): Promise<unknown>;
      result(operation: DiskOperation): Promise<void>;
    }
  > = {
    create: {
      ask: () => createDisk(world.core, world.ann, { name: "made" }),
      outside: (made) => world.disks.create(made.volume ?? "", 1),
      async result({ disk_id }) {
        expect(await getDisk(world.core, world.ann, disk_id)).toMatchObject({ name: "made", state: "ready" });
        expect(await world.filesOf(disk_id)).toEqual({});
      },
    },
    snapshot: {
      ask: () => createSnapshot(world.core, world.ann, id, {}),
      outside: async (made) => world.disks.snapshot(await volume(), made.snapshot_id ?? "", silent),
      async result({ snapshot_id }) {
        const { items } = await listSnapshots(world.core, world.ann, id, {});
        expect(items.map((one) => [one.id, one.state])).toEqual([
          [snapshot_id, "ready"],
          [snapshot, "ready"],
        ]);
        expect(world.disks.snapshots.get(snapshot_id ?? "")?.get("a")).toBe("newer");
      },
    },
    clone: {
      ask: () => cloneDisk(world.core, world.ann, id, { name: "copy" }),
      outside: async (made) => world.disks.clone(await volume(), made.volume ?? "", 1, silent),
      async result({ new_disk_id }) {
        expect(await world.filesOf(new_disk_id ?? "")).toEqual({ a: "newer" });
      },
    },
    "restore in place": {
      ask: () => restoreDisk(world.core, world.ann, id, { snapshot }),
      outside: (made) => world.disks.restore(snapshot, made.volume ?? "", 1, silent),
      async result() {
        expect(await world.filesOf(id)).toEqual({ a: "old" });
        expect(world.disks.disks.size).toBe(1);
      },
    },
    "restore as a new disk": {
      ask: () => restoreDisk(world.core, world.ann, id, { snapshot, as: "back" }),
      outside: (made) => world.disks.restore(snapshot, made.volume ?? "", 1, silent),
      async result({ new_disk_id }) {
        expect(await world.filesOf(new_disk_id ?? "")).toEqual({ a: "old" });
        expect(await world.filesOf(id)).toEqual({ a: "newer" });
      },
    },
    resize: {
      ask: () => resizeDisk(world.core, world.ann, id, { size_bytes: 5e9 }),
      outside: async () => world.disks.resize(await volume(), 5e9),
      async result() {
        expect((await getDisk(world.core, world.ann, id)).size_bytes).toBe(5e9);
      },
    },
  };
  const volume = async () => (await world.rows("disks")).find((disk) => disk.id === id)?.volume ?? "";

  /** Two passes of the reconciler, with the sweep, that change nothing any more. */
  async function expectNothingLeftToDo(): Promise<void> {
    const state = async () => [
      await world.rows("disks"),
      await world.rows("snapshots"),
      await world.rows("disk_operations"),
      [...world.disks.disks.keys(), ...world.disks.snapshots.keys(), ...world.disks.quarantined],
      world.disks.halfMade,
    ];
    await world.after(60_000);
    const before = await state();
    await world.after(60_000);
    expect(await state()).toEqual(before);
    expect(world.disks.quarantined.size).toBe(0);
  }

  describe.each(Object.keys(ways))("%s", (name) => {
    const way = () => {
      const found = ways[name];
      if (!found) throw new Error(name);
      return found;
    };

    test.each(["before anything was made", "when it was made and nothing was written"])(
      "L-04 L-05 a server that died %s is followed by one that comes to the same result",
      async (when) => {
        const { body } = await way().ask();
        await lease(body, "a dead server");
        if (when.startsWith("when")) await way().outside(await row(body));
        world.reconciler.start();
        await world.after(0);
        // As long as the lease holds it is the other one's.
        expect((await getOperation(world.core, world.ann, body.id)).state).not.toBe("done");
        await world.after(15_001);
        expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({
          state: "done",
          error: null,
        });
        await way().result(body);
        await expectNothingLeftToDo();
      },
    );

    test("L-16 who lost the lease writes nothing, and what it makes late does no harm", async () => {
      const verb = name.split(" ")[0];
      const { promise: held, resolve: release } = Promise.withResolvers<void>();
      world.disks.before = (now) => (now === verb ? held : Promise.resolve());
      world.disks.calls.length = 0;
      const { body } = await way().ask();
      world.reconciler.start();
      await expect
        .poll(() => world.disks.calls.some((call) => call.startsWith(`${verb} `)), { timeout: 20_000 })
        .toBe(true);
      await lease(body, "another server");
      const before = await row(body);
      release();
      await world.after(0);
      expect({ ...(await row(body)), leased_until: null }).toEqual({ ...before, leased_until: null });
      world.disks.before = undefined;
      await world.after(15_001);
      await way().result(body);
      await expectNothingLeftToDo();
    });
  });

  test("L-17 a server that stops gives back what it has in hand, and the next one begins at once", async () => {
    world.disks.before = async (verb, progress) => {
      if (verb !== "clone") return;
      await new Promise((_, reject) => {
        progress?.signal?.addEventListener("abort", () => reject(new Error("broken off")), { once: true });
      });
    };
    const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
    world.reconciler.start();
    await expect
      .poll(() => world.disks.calls.some((call) => call.startsWith("clone ")), { timeout: 20_000 })
      .toBe(true);
    await world.reconciler.stop();
    expect(await row(body)).toMatchObject({ leased_by: null, attempts: 0, error: null });
    world.disks.before = undefined;
    world.reconciler.start();
    await world.after(0);
    expect((await getOperation(world.core, world.ann, body.id)).state).toBe("done");
  });

  test("D-08 the progress of what goes on can be seen", async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    world.disks.before = async (verb, progress) => {
      if (verb !== "clone") return;
      progress?.(5, 10);
      await held;
    };
    const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
    world.reconciler.start();
    const seen = () => getOperation(world.core, world.ann, body.id);
    await expect
      .poll(seen, { timeout: 20_000 })
      .toMatchObject({ state: "running", done_bytes: 5, total_bytes: 10 });
    release();
    await world.after(0);
    expect((await seen()).state).toBe("done");
  });

  test("D-08 what has to wait for a free hand waits, and everything else goes on meanwhile", async () => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    world.disks.before = (verb) => (verb === "create" ? held : Promise.resolve());
    for (const name of ["a", "b", "c"]) await createDisk(world.core, world.ann, { name });
    world.reconciler.start();
    const creating = () => world.disks.calls.filter((call) => call.startsWith("create ")).length;
    await expect.poll(creating, { timeout: 20_000 }).toBe(3);
    const reservation = await world.reserve();
    await expect.poll(async () => (await world.show(reservation)).state, { timeout: 20_000 }).toBe("active");
    release();
    await world.after(0);
    expect(creating()).toBe(4);
    expect((await world.rows("disks")).map((row) => row.state)).toEqual(Array(4).fill("ready"));
  });

  test("D-11 what no row names is put in quarantine, half-made things are discarded, and all else stays", async () => {
    await deleteDisk(world.core, world.ann, id);
    world.disks.disks.set(STRAY, new Map([["a", "whose?"]]));
    world.disks.snapshots.set(STRAY.replace("b", "c"), new Map());
    world.disks.halfMade = [`${STRAY}.half`];
    world.reconciler.start();
    await world.after(60_000);
    expect([...world.disks.quarantined].sort()).toEqual([STRAY, STRAY.replace("b", "c")]);
    expect(world.disks.halfMade).toEqual([]);
    // Deleted, but its row names it.
    expect(await world.filesOf(id)).toEqual({ a: "newer" });
    expect([...world.disks.snapshots.keys()]).toEqual([snapshot]);
    const found = world.logs.filter(({ message }) => message.includes("quarantine"));
    expect(found.map(({ fields }) => fields.id).sort()).toEqual([STRAY, STRAY.replace("b", "c")]);
  });

  test("D-11 one that cannot be moved or removed does not keep the others", async () => {
    const [other, half] = [STRAY.replace("b", "c"), `${STRAY}.half`];
    world.disks.disks.set(STRAY, new Map()).set(other, new Map());
    world.disks.halfMade = [half, `${other}.half`];
    const { quarantine, discardHalfMade } = world.disks;
    const stuck = () => Promise.reject(new DriverError("EIO: input/output error"));
    world.disks.quarantine = (one) => (one === STRAY ? stuck() : quarantine(one));
    world.disks.discardHalfMade = (name) => (name === half ? stuck() : discardHalfMade(name));
    world.reconciler.start();
    await world.after(60_000);
    expect([...world.disks.quarantined]).toEqual([other]);
    expect(world.disks.halfMade).toEqual([half]);
    Object.assign(world.disks, { quarantine, discardHalfMade });
    await world.after(60_000);
    expect([...world.disks.quarantined]).toEqual([other, STRAY]);
    expect(world.disks.halfMade).toEqual([]);
  });

  test("L-12 orphans are taken away while the sweep of disks hangs", async () => {
    const orphan = `${"a".repeat(20)}-1`;
    // Nobody looks at more than its name.
    world.driver.pods.set(orphan, {} as never);
    world.disks.disks.set(STRAY, new Map());
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    world.disks.before = (verb) => (verb === "quarantine" ? held : Promise.resolve());
    world.reconciler.start();
    await expect.poll(() => world.disks.calls.at(-1), { timeout: 20_000 }).toBe(`quarantine ${STRAY}`);
    const afterAMinute = () => {
      world.clock.tick(60_000);
      return world.driver.pods.has(orphan);
    };
    await expect.poll(afterAMinute, { timeout: 60_000, interval: 1000 }).toBe(false);
    release();
    await world.after(0);
    expect([...world.disks.quarantined]).toEqual([STRAY]);
  });

  test("D-11 what an open operation makes is neither put aside nor discarded", async () => {
    const { body } = await cloneDisk(world.core, world.ann, id, { name: "copy" });
    await lease(body, "another server");
    const { volume: made } = await row(body);
    world.disks.halfMade = [`${made}.half`];
    world.disks.disks.set(made ?? "", new Map());
    world.reconciler.start();
    await world.after(0);
    await world.after(1000);
    expect(world.disks.quarantined.size).toBe(0);
    expect(world.disks.halfMade).toEqual([`${made}.half`]);
  });

  test("D-11 neither is the snapshot that a restore takes first, by another server", async () => {
    const { body } = await restoreDisk(world.core, world.ann, id, { snapshot });
    await lease(body, "another server");
    const half = `${(await row(body)).kept_id}.half`;
    world.disks.halfMade = [half];
    world.reconciler.start();
    await world.after(0);
    await world.after(1000);
    expect(world.disks.halfMade).toEqual([half]);
  });

  test("D-11 a row whose data are gone is reported once, and kept", async () => {
    world.disks.disks.clear();
    world.disks.snapshots.clear();
    world.reconciler.start();
    await world.after(60_000);
    await world.after(60_000);
    const found = world.logs.filter(({ message }) => message === "a row names data that are not there");
    expect(found.map(({ fields }) => fields.is).sort()).toEqual(["disk", "snapshot"]);
    expect(await world.rows("snapshots")).toHaveLength(1);
  });

  test("D-03 the sweep takes up a snapshot that was to go when the server died", async () => {
    await world.core.store.write(({ db }) =>
      db.updateTable("snapshots").set({ state: "leaving" }).where("id", "=", snapshot).execute(),
    );
    world.disks.faults.set("remove", new DriverError("EIO: input/output error"));
    world.reconciler.start();
    await world.after(60_000);
    expect(world.disks.snapshots.size).toBe(1);
    world.disks.faults.clear();
    await world.after(60_000);
    expect(world.disks.snapshots.size).toBe(0);
    expect(await world.rows("snapshots")).toEqual([]);
  });

  test("L-05 a purge that was cut off goes on, whatever is gone already", async () => {
    await deleteDisk(world.core, world.ann, id);
    world.clock.tick(30 * DAY);
    world.disks.snapshots.clear();
    world.reconciler.start();
    await world.after(0);
    await world.after(0);
    expect(world.disks.disks.size).toBe(0);
    expect((await world.rows("disks"))[0]).toMatchObject({ state: "gone" });
  });
});
