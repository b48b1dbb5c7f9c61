import { beforeEach, describe, expect, test } from "vitest";
import type { createReservation } from "../../src/core/create.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { listEvents } from "../../src/core/listing.ts";
import { adviseReservation } from "../../src/core/planning/advice.ts";
import { forecastReservation } from "../../src/core/planning/forecast.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import type { Store } from "../../src/store/db.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { cpu, h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

const HOUR = 3600;
const MINUTE_MS = 60_000;
const HOUR_MS = HOUR * 1000;
const later = (ms: number) => new Date(Date.parse("2026-01-05T08:00:00.000Z") + ms).toISOString();

describe.each(engines)("times that are asked for on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh());
    world.driver.nodes = [h100(4), cpu(2)];
    await syncCapacity(world.core);
    world.reconciler.start();
    await world.reconciler.idle();
  });

  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );
  const forecast = (input: Partial<Parameters<typeof createReservation>[2]>) =>
    forecastReservation(world.core, world.ann, { gpu_type: "h100", duration_s: HOUR, ...input });
  const extend = (id: string, patch: Parameters<typeof patchReservation>[3]) =>
    patchReservation(world.core, world.ann, id, patch);

  describe("--at", () => {
    test("S-03 its GPUs are there at that time, not earlier, and others run before as long as they are gone by then", async () => {
      const at = later(3 * HOUR_MS);
      const booked = await world.reserve({ gpu_count: 4, start_at: at });
      expect(await world.show(booked)).toMatchObject({
        state: "queued",
        start_at: at,
        estimated_start_at: at,
        reason: "waits for its time; 4 h100 is planned on node node-1",
      });
      const [short, long] = [
        await world.reserve({ duration_s: HOUR }),
        await world.reserve({ duration_s: 4 * HOUR }),
      ];
      await world.after(0);
      expect([(await world.show(short)).state, (await world.show(long)).state]).toEqual(["active", "queued"]);
      await world.after(3 * HOUR_MS - 1);
      expect((await world.show(booked)).state).toBe("queued");
      await world.after(1);
      expect(await world.show(booked)).toMatchObject({
        state: "active",
        started_at: at,
        latest_start_at: null,
      });
      await world.after(HOUR_MS);
      expect((await world.show(booked)).state).toBe("expired");
      expect((await world.show(long)).state).toBe("active");
    });

    test("who cannot have it then is refused at once, with the next time that fits, which then is given", async () => {
      await world.reserve({ gpu_count: 3, duration_s: 2 * HOUR });
      await world.after(0);
      const wish = { gpu_count: 2, start_at: later(HOUR_MS) };
      const refused = await refusal(world.reserve(wish));
      expect(refused).toMatchObject({
        code: "taken_then",
        message:
          "2 h100 cannot be free for 1h from 2026-01-05T09:00:00.000Z; the next time that fits is 2026-01-05T10:01Z",
        hint: "ask for that time: --at 2026-01-05T10:01Z",
      });
      expect(await world.rows("reservations")).toHaveLength(1);
      const id = await world.reserve({ ...wish, start_at: "2026-01-05T10:01:00.000Z" });
      expect(await world.show(id)).toMatchObject({
        state: "queued",
        estimated_start_at: "2026-01-05T10:01:00.000Z",
      });
    });

    test("S-03 a holder who is being taken away does not stand in the way; one who stays then is said to", async () => {
      const holder = await world.reserve({ gpu_count: 4, duration_s: 8 * HOUR });
      await world.after(0);
      world.driver.faults.set("terminate", new DriverError("the node hangs"));
      await cancelReservation(world.core, world.ann, holder);
      await world.after(0);
      expect((await world.show(holder)).state).toBe("ending");
      const booked = await world.reserve({ gpu_count: 4, start_at: later(HOUR_MS) });
      expect((await world.show(booked)).estimated_start_at).toBe(later(HOUR_MS));
      await world.after(HOUR_MS);
      expect((await listEvents(world.core, world.ann, booked)).items.at(-1)).toMatchObject({
        type: "delayed",
        detail: expect.stringContaining("on node node-1 less is free than was planned"),
      });
    });

    test("a time that is over, or too far away, is refused", async () => {
      expect(await refusal(world.reserve({ start_at: later(-1) }))).toMatchObject({
        code: "invalid_input",
        errors: [{ field: "start_at" }],
      });
      expect(await refusal(world.reserve({ start_at: later(91 * 24 * HOUR_MS) }))).toMatchObject({
        message: "start_at: must be within 90d from now",
      });
    });

    test("S-03 a node that is lost moves it, and says so", async () => {
      world.driver.nodes = [h100(4), h100(4, "node-2")];
      await syncCapacity(world.core);
      await world.reserve({ gpu_count: 4, duration_s: 2 * HOUR });
      await world.after(0);
      const at = later(HOUR_MS);
      const booked = await world.reserve({ gpu_count: 4, start_at: at });
      world.driver.nodes = [h100(4), { ...h100(4, "node-2"), healthy: false }];
      await syncCapacity(world.core);
      await world.after(0);
      expect(await world.show(booked)).toMatchObject({ latest_start_at: later(2 * HOUR_MS + 2 * MINUTE_MS) });
      const { items } = await listEvents(world.core, world.ann, booked);
      expect(items.at(-1)).toMatchObject({
        type: "delayed",
        detail: expect.stringContaining("node node-2 takes nothing new"),
      });
    });
  });

  describe("--dry-run", () => {
    test("it says what would happen, which then happens, and creates nothing", async () => {
      expect(await forecast({ gpu_count: 3 })).toMatchObject({
        latest_start_at: later(0),
        latest_end_at: later(HOUR_MS + 5 * MINUTE_MS),
        nodes: ["node-1"],
        queue_position: null,
        reason: null,
      });
      await world.reserve({ gpu_count: 3 });
      await world.after(0);
      const said = await forecast({ gpu_count: 2 });
      expect(await world.rows("reservations")).toHaveLength(1);
      expect(await world.rows("secrets")).toHaveLength(1);
      const id = await world.reserve({ gpu_count: 2 });
      const { latest_start_at, queue_position, reason } = await world.show(id);
      expect(said).toMatchObject({ latest_start_at, queue_position, reason, nodes: ["node-1"] });
      expect(said.latest_start_at).toBe(later(HOUR_MS + 2 * MINUTE_MS));
    });

    test("it refuses what would be refused", async () => {
      await world.reserve({ name: "train", gpu_count: 4 });
      expect(await refusal(forecast({ gpu_count: 5 }))).toMatchObject({ code: "impossible_request" });
      expect(await refusal(forecast({ name: "train" }))).toMatchObject({ code: "name_taken" });
      expect(await refusal(forecast({ queue: false }))).toMatchObject({ code: "no_capacity" });
      expect(await refusal(forecast({ start_at: later(MINUTE_MS) }))).toMatchObject({ code: "taken_then" });
    });
  });

  describe("extending", () => {
    test("L-08 S-03 what would break a promise is refused with the latest end that would not, and max takes just that", async () => {
      const id = await world.reserve({ gpu_count: 4, name: "train" });
      await world.after(0);
      const waiting = await world.reserve({ gpu_count: 4 });
      expect(await refusal(extend(id, { extend_s: 60 }))).toMatchObject({
        code: "over_promise",
        message: `its GPUs are promised to others: it can last until ${later(HOUR_MS)}, it cannot be extended`,
      });
      expect(await refusal(extend(id, { extend_max: true }))).toMatchObject({ code: "over_promise" });
      // More than its type allows as well: what is in the way of any extension is said.
      expect(await refusal(extend(id, { extend_s: 48 * HOUR }))).toMatchObject({
        code: "over_promise",
        errors: [{ field: "extend_s", code: "too_big", detail: "at most 0" }],
      });
      await cancelReservation(world.core, world.ann, waiting);
      const at = later(3 * HOUR_MS);
      const booked = await world.reserve({ gpu_count: 1, start_at: at });
      // The booking's start, less the minute that it takes to clear.
      const latest = later(3 * HOUR_MS - MINUTE_MS);
      expect(await refusal(extend(id, { extend_s: 2 * HOUR }))).toMatchObject({
        code: "over_promise",
        message: `its GPUs are promised to others: it can last until ${latest}, at most 1h59m more is possible`,
        errors: [{ field: "extend_s", code: "too_big", detail: "at most 7140" }],
      });
      expect(await extend(id, { extend_max: true })).toMatchObject({
        ends_at: latest,
        duration_s: HOUR + 7140,
      });
      await world.after(3 * HOUR_MS);
      expect(await world.show(booked)).toMatchObject({ state: "active", started_at: at });
    });

    test("L-08 of extensions at the same moment only those that break nothing are given", async () => {
      const ids = [await world.reserve({ gpu_count: 2 }), await world.reserve({ gpu_count: 2 })];
      await world.after(0);
      await world.reserve({ gpu_count: 2, start_at: later(3 * HOUR_MS) });
      const asked = ids.flatMap((id) => [
        extend(id, { extend_s: HOUR + 1800 }),
        extend(id, { extend_s: 7140 }),
      ]);
      await Promise.all(asked.map(refusal));
      await world.after(0);
      // Both could run past the booking's start alone, but not together: one of the nodes' halves is promised.
      const ends = await Promise.all(ids.map(async (id) => Date.parse((await world.show(id)).ends_at ?? "")));
      expect(Math.min(...ends)).toBeLessThanOrEqual(Date.parse(later(3 * HOUR_MS - MINUTE_MS)));
      await world.after(3 * HOUR_MS);
      const { items } = await listEvents(
        world.core,
        world.ann,
        (await world.rows("reservations")).at(-1)?.id ?? "",
      );
      expect(items.map((e) => e.type)).not.toContain("delayed");
    });

    test("L-08 a database that fails right after neither undoes what is extended nor hides why it was not", async () => {
      const id = await world.reserve();
      await world.after(0);
      const { store } = world.core;
      let gone = false;
      const write: Store["write"] = async (work, options) => {
        if (gone) throw new Error("the database is gone");
        const done = await store.write(work, options);
        gone = options?.lock === "schedule";
        return done;
      };
      const core = { ...world.core, store: { ...store, write } };
      await patchReservation(core, world.ann, id, { extend_s: 60 });
      expect(gone).toBe(true);
      // Nobody has it any more.
      await extend(id, { extend_s: 60 });
      expect((await world.show(id)).duration_s).toBe(HOUR + 120);

      gone = false;
      world.driver.faults.set("update", new DriverError("the node hangs"));
      world.driver.before = async (verb) => {
        if (verb === "update") gone = true;
      };
      expect(await refusal(patchReservation(core, world.ann, id, { extend_s: 60 }))).toMatchObject({
        message: "the pod's deadline could not be moved: the node hangs",
      });
      expect(world.logs).toContainEqual(
        expect.objectContaining({ level: "warn", message: expect.stringContaining("lease of an extension") }),
      );
    });

    test("L-08 without anybody who waits only the type's maximum counts", async () => {
      const id = await world.reserve({ gpu_count: 4 });
      await world.after(0);
      expect(await extend(id, { extend_max: true })).toMatchObject({ duration_s: 48 * HOUR });
      expect(await refusal(extend(id, { extend_max: true }))).toMatchObject({
        code: "over_maximum",
        message: "h100 is given for at most 2d in all, this has 2d: it cannot be extended",
      });
    });
  });

  test("advice: what starts sooner is computed, the soonest first, and true", async () => {
    world.driver.nodes = [h100(4), { ...h100(2, "node-2"), gpuType: "a100" }, cpu(1)];
    await syncCapacity(world.core);
    await world.reserve({ gpu_count: 2, duration_s: 8 * HOUR });
    await world.reserve({ gpu_type: "a100", gpu_count: 1, duration_s: 2 * HOUR });
    await world.after(0);
    await world.reserve({ gpu_count: 2, start_at: later(2 * HOUR_MS), duration_s: 4 * HOUR });
    const id = await world.reserve({ gpu_count: 3, duration_s: 2 * HOUR });
    const none = await adviseReservation(
      world.core,
      world.ann,
      (await world.rows("reservations"))[0]?.id ?? "",
    );
    expect(none.items).toEqual([]);
    const { items } = await adviseReservation(world.core, world.ann, id);
    const waits = Date.parse((await world.show(id)).latest_start_at ?? "");
    for (const way of items) expect(Date.parse(way.latest_start_at)).toBeLessThan(waits);
    expect(items.map((w) => [w.change, w.gpu_count, w.duration_s, w.latest_start_at])).toEqual([
      ["gpu_count", 1, 2 * HOUR, later(6 * HOUR_MS + 8 * MINUTE_MS)],
    ]);
    await cancelReservation(world.core, world.ann, id);
    const [way] = items;
    const wish = { gpu_count: way?.gpu_count ?? 0, duration_s: way?.duration_s ?? 0 };
    const taken = await world.reserve(wish);
    expect((await world.show(taken)).latest_start_at).toBe(way?.latest_start_at);
  });
});
