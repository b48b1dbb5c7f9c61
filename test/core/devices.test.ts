/** GPUs that are cut into slices: on both engines, through the real rules and against the database itself. */
import { sql } from "kysely";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { listAvailability, syncCapacity } from "../../src/core/gpus/inventory.ts";
import { markGiven } from "../../src/core/planning/plan-marks.ts";
import { allocate } from "../../src/store/allocations.ts";
import { openEngine } from "../../src/store/engine.ts";
import { MIGRATIONS, migrate } from "../../src/store/migrate.ts";
import { ALL, markPlan, takeChanges } from "../../src/store/plan-changes.ts";
import { changedTypes } from "../../src/store/plans.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

/** A node of two GPUs, of which those in `cut` are so many slices each. */
const node = (cut: readonly number[], perGpu: number) => {
  const whole = [0, 1].filter((i) => !cut.includes(i));
  const slices = cut.flatMap((gpu) => Array.from({ length: perGpu }, (_, i) => gpu * perGpu + i));
  const entry = (indices: number[]) => ({ ...h100(indices.length), indices });
  return [
    ...(whole.length > 0 ? [entry(whole)] : []),
    ...(slices.length > 0 ? [{ ...entry(slices), gpuType: "h100-1g", slice: { of: "h100", perGpu } }] : []),
  ];
};

describe.each(engines)("slices on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    world = await makeWorld(database);
    await cutInto([1]);
    world.reconciler.start();
    await world.reconciler.idle();
  });

  async function cutInto(cut: readonly number[], perGpu = 7): Promise<void> {
    world.driver.nodes = node(cut, perGpu);
    // What was not seen by a later look is offered no more.
    world.clock.tick(1);
    await syncCapacity(world.core);
  }
  const counts = async () =>
    (await listAvailability(world.core)).items.map((a) => [a.gpu_type, a.total, a.free, a.used]);
  const states = (ids: readonly string[]) => Promise.all(ids.map(async (id) => (await world.show(id)).state));
  const held = async () =>
    (await world.rows("allocations"))
      .map((a) => `${a.gpu_type} ${a.gpu_index} of ${a.device_type} ${a.device_index}`)
      .toSorted();

  test("S-10 a GPU that is cut is offered as its slices and not whole", async () => {
    expect(await counts()).toEqual([
      ["h100", 1, 1, 0],
      ["h100-1g", 7, 7, 0],
    ]);
    await world.reserve();
    await world.reserve({ gpu_type: "h100-1g", gpu_count: 2 });
    expect(await held()).toEqual(["h100 0 of h100 0", "h100-1g 7 of h100 1", "h100-1g 8 of h100 1"]);
    const waits = await world.reserve();
    await world.after(0);
    expect((await world.show(waits)).state).toBe("queued");
  });

  test("S-01 the database itself refuses to give one GPU whole and as slices", async () => {
    const [a, b] = [await world.reserve(), await world.reserve({ gpu_type: "h100-1g" })];
    const [whole] = (await world.rows("allocations")).filter((row) => row.reservation_id === a);
    if (!whole) throw new Error("nothing is held");
    const slice = { ...whole, gpu_type: "h100-1g", gpu_index: 0, reservation_id: b };
    expect(await world.core.store.write((tx) => allocate(tx, [slice]))).toBe(false);
    const insert = world.core.store.write(({ db }) => db.insertInto("allocations").values(slice).execute());
    await expect(insert).rejects.toThrow(/foreign key/i);
    const turn = world.core.store.write(({ db }) =>
      db.updateTable("devices").set({ used_as: "h100-1g" }).where("device_index", "=", 0).execute(),
    );
    await expect(turn).rejects.toThrow(/foreign key/i);
  });

  test("S-01 a GPU that is cut while somebody has it is offered as slices once he has left, and back again", async () => {
    const whole = await world.reserve();
    await world.after(0);
    await cutInto([0, 1]);
    expect(await counts()).toEqual([
      ["h100", 1, 0, 1],
      ["h100-1g", 14, 7, 0],
    ]);
    const slices = [];
    for (let i = 0; i < 2; i++) slices.push(await world.reserve({ gpu_type: "h100-1g", gpu_count: 7 }));
    await world.after(0);
    expect(await states(slices)).toEqual(["active", "queued"]);
    await world.after(2000);
    await cancelReservation(world.core, world.ann, whole);
    await world.after(1);
    expect(await states(slices)).toEqual(["active", "active"]);
    await cutInto([0, 1]);
    expect(await counts()).toEqual([["h100-1g", 14, 0, 14]]);

    await cutInto([]);
    const back = await world.reserve();
    await world.after(0);
    expect(await states([back])).toEqual(["queued"]);
    await world.after(2000);
    await cancelReservation(world.core, world.ann, slices[1] ?? "");
    await world.after(1);
    expect(await states([back])).toEqual(["active"]);
    expect(await counts()).toEqual([
      ["h100", 2, 0, 1],
      // What is not offered any more is known as long as somebody has some of it.
      ["h100-1g", 14, 0, 7],
    ]);
  });

  test.each([
    [7, 2],
    [2, 7],
  ])(
    "S-01 GPUs cut into %i that are to be cut into %i are not given again while any is held",
    async (old, to) => {
      await cutInto([0, 1], old);
      const [first, second] = [
        await world.reserve({ gpu_type: "h100-1g", gpu_count: 2 * old - 1 }),
        await world.reserve({ gpu_type: "h100-1g" }),
      ];
      await world.after(0);
      const before = await held();
      await cutInto([0, 1], to);
      expect(await counts()).toEqual([["h100-1g", 2 * old, 0, 2 * old]]);
      const waits = await world.reserve({ gpu_type: "h100-1g" });
      await world.after(2000);
      await cancelReservation(world.core, world.ann, first);
      await world.after(1);
      await cutInto([0, 1], to);
      await world.after(0);
      // What is free of the old cut is not given either: the driver makes the new one.
      expect([await states([waits]), await held()]).toEqual([
        ["queued"],
        before.filter((one) => one.startsWith(`h100-1g ${2 * old - 1} `)),
      ]);
      await cancelReservation(world.core, world.ann, second);
      await world.after(1);
      await cutInto([0, 1], to);
      await world.after(0);
      expect([await states([waits]), await held()]).toEqual([["active"], ["h100-1g 0 of h100 0"]]);
      expect(await counts()).toEqual([["h100-1g", 2 * to, 2 * to - 1, 1]]);
    },
  );

  test.each([
    ["h100", "h100-1g"],
    ["h100-1g", "h100"],
  ])(
    "S-05 what gets free of %s is still to be offered to %s when its own plan is made",
    async (type, other) => {
      const left = await world.core.store.write(
        async (tx) => {
          await markPlan(tx, "change", type, [ALL]);
          await takeChanges(tx, type);
          const types = await changedTypes(tx.db);
          await takeChanges(tx, other);
          return types;
        },
        { lock: "schedule" },
      );
      expect(left).toEqual([other]);
    },
  );

  test.each([
    ["h100", "h100-1g"],
    ["h100-1g", "h100"],
  ])("S-01 what is given of %s goes into the plan of %s", async (type, other) => {
    const marked = await world.core.store.write(async (tx) => {
      await markGiven(tx, type, ["node-1"]);
      return [await takeChanges(tx, type), await takeChanges(tx, other)];
    });
    expect(marked).toEqual([[], [{ about: "node", name: "node-1" }]]);
  });
});

test.each(engines)(
  "B-03 what was held before there were devices is held after on $engine",
  async ({ create }) => {
    const database = await create();
    const engine = openEngine(database.url);
    onTestFinished(async () => {
      await engine.close();
      await database.drop();
    });
    await migrate(
      engine,
      MIGRATIONS.filter((m) => m.number < 4),
    );
    const at = "2026-01-01T00:00:00.000Z";
    for (const statement of [
      `insert into users values ('u', 'u', 'user', '${at}')`,
      `insert into reservations (id, seq, owner_id, state, state_since, gpu_type, gpu_count, places, simulated, duration_s,
      created_at, queue_deadline, attempt, ssh_attempts, version, next_step_at)
      values ('r', 1, 'u', 'active', '${at}', 'h100', 1, 1, 0, 60, '${at}', '${at}', 1, 1, 1, '${at}')`,
      "insert into allocations values ('n', 'h100', 3, 'r')",
    ])
      await sql.raw(statement).execute(engine.writer);
    await migrate(engine);
    const rows = await engine.reader.selectFrom("allocations").selectAll().execute();
    expect(rows).toEqual([
      {
        ...{ node: "n", gpu_type: "h100", gpu_index: 3, reservation_id: "r" },
        ...{ device_type: "h100", device_index: 3, node_rank: 0 },
      },
    ]);
  },
);
