import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { listEvents } from "../../src/core/listing.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

const HOUR = 3600;
const MINUTE_MS = 60_000;
const HOUR_MS = HOUR * 1000;
const START = "2026-01-05T08:00:00.000Z";
const WAITS = "waits for 3 h100: node node-1 has 0 of 3 free until 1 running there ends";
const later = (ms: number) => new Date(Date.parse(START) + ms).toISOString();

describe.each(engines)("promises on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh());
    world.driver.nodes = [h100(4)];
    await syncCapacity(world.core);
    world.reconciler.start();
    await world.reconciler.idle();
  });

  const history = async (id: string) => (await listEvents(world.core, world.ann, id)).items;
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => undefined,
      (error: unknown) => error,
    );
  const nodes = async (...offers: typeof world.driver.nodes) => {
    world.driver.nodes = offers;
    await syncCapacity(world.core);
    await world.after(0);
  };

  test("S-03 who waits is told the latest start, the place and the reason, and reading plans nothing", async () => {
    const holder = await world.reserve({ gpu_count: 4 });
    await world.after(0);
    const [first, second] = [await world.reserve({ gpu_count: 3 }), await world.reserve({ gpu_count: 2 })];
    // The holder is gone 1 min after its hour; 1 min more is the patience with whatever comes late.
    expect(await world.show(first)).toMatchObject({
      estimated_start_at: later(HOUR_MS + MINUTE_MS),
      latest_start_at: later(HOUR_MS + 2 * MINUTE_MS),
      queue_position: 1,
      reason: WAITS,
    });
    expect(await world.show(second)).toMatchObject({
      queue_position: 2,
      reason: expect.stringMatching(/^waits for 2 h100: .*; 1 is ahead$/),
    });
    expect((await history(first))[0]?.detail).toBe(`${WAITS}; starts by 2026-01-05T09:02:00.000Z`);
    await cancelReservation(world.core, world.ann, holder);
    await world.after(0);
    expect(await world.show(first)).toMatchObject({
      state: "active",
      latest_start_at: null,
      queue_position: null,
    });
  });

  test("S-03 L-03 a promise only gets earlier, and the patience of the queue goes with it", async () => {
    const holder = await world.reserve({ gpu_count: 4, duration_s: 4 * HOUR });
    await world.after(0);
    const other = await world.reserve({ gpu_count: 4, duration_s: 2 * HOUR });
    const last = await world.reserve({ gpu_count: 4 });
    const told = [await world.show(last)];
    await cancelReservation(world.core, world.ann, other);
    await world.after(0);
    told.push(await world.show(last));
    await cancelReservation(world.core, world.ann, holder);
    await world.after(0);
    expect(told.map((r) => r.latest_start_at)).toEqual([
      later((4 + 2) * HOUR_MS + (1 + 7 + 1) * MINUTE_MS),
      later(4 * HOUR_MS + 2 * MINUTE_MS),
    ]);
    expect((await world.show(last)).state).toBe("active");
    expect((await history(last)).map((e) => e.type)).toEqual(["created", "preparing", "active"]);
  });

  test("S-03 S-07 capacity that is lost is said, with what was lost and the new time", async () => {
    await nodes(h100(4), h100(4, "node-2"));
    await world.reserve({ gpu_count: 4, duration_s: HOUR });
    await world.reserve({ gpu_count: 4, duration_s: 8 * HOUR });
    await world.after(0);
    const waiting = await world.reserve({ gpu_count: 4 });
    expect(await world.show(waiting)).toMatchObject({ latest_start_at: later(HOUR_MS + 2 * MINUTE_MS) });
    await nodes({ ...h100(4), healthy: false }, h100(4, "node-2"));
    const late = later(8 * HOUR_MS + 2 * MINUTE_MS);
    expect(await world.show(waiting)).toMatchObject({ state: "queued", latest_start_at: late, version: 2 });
    expect((await history(waiting)).at(-1)).toMatchObject({
      type: "delayed",
      detail: `node node-1 takes nothing new: promised by ${later(HOUR_MS + 2 * MINUTE_MS)}, now starts by ${late}`,
    });
    await nodes({ ...h100(4), healthy: false }, { ...h100(4, "node-2"), healthy: false });
    expect(await world.show(waiting)).toMatchObject({
      latest_start_at: null,
      reason: "waits for 4 h100: too few nodes that could hold it are open",
    });
    await nodes(h100(4), h100(4, "node-2"));
    expect((await world.show(waiting)).latest_start_at).toBe(later(HOUR_MS + 2 * MINUTE_MS));
  });

  test("S-03 who starts later than promised, because another stayed too long, is told why", async () => {
    await world.reserve({ gpu_count: 4 });
    await world.after(0);
    const waits = await world.reserve({ gpu_count: 4 });
    world.driver.faults.set("terminate", new DriverError("the machine does not answer"));
    await world.after(HOUR_MS + MINUTE_MS);
    await world.after(MINUTE_MS - 20_000);
    world.driver.faults.clear();
    // Less than half a minute after the last look it is gone, and the promise is just over.
    await world.after(20_001);
    expect((await history(waits)).find(({ type }) => type === "preparing")?.detail).toBe(
      "placed on node-1, later than promised: a start that was due was missed, because somebody left too late or the server was not running",
    );
  });

  test("S-04 a short one runs before a large one that waits, if that gets no later for it", async () => {
    await world.reserve({ gpu_count: 3, duration_s: 2 * HOUR });
    await world.after(0);
    const large = await world.reserve({ gpu_count: 4 });
    const promised = (await world.show(large)).latest_start_at;
    const short = await world.reserve({ gpu_count: 1, duration_s: HOUR });
    const long = await world.reserve({ gpu_count: 1, duration_s: 3 * HOUR });
    await world.after(0);
    expect((await world.show(short)).state).toBe("active");
    expect(await world.show(long)).toMatchObject({ state: "queued", queue_position: 2 });
    expect((await world.show(large)).latest_start_at).toBe(promised);
    await world.after(2 * HOUR_MS + MINUTE_MS);
    expect((await world.show(large)).state).toBe("active");
    expect((await history(large)).map((e) => e.type)).toEqual(["created", "preparing", "active"]);
  });

  test("S-03 a server that was away for hours starts its queue in order as soon as it is back", async () => {
    await world.reserve({ gpu_count: 3, duration_s: 2 * HOUR });
    await world.after(0);
    const large = await world.reserve({ gpu_count: 4 });
    const long = await world.reserve({ gpu_count: 1, duration_s: 3 * HOUR });
    await world.after(6 * HOUR_MS);
    expect((await world.show(large)).state).toBe("active");
    expect((await world.show(long)).state).toBe("queued");
    expect((await history(large))[1]).toMatchObject({
      type: "delayed",
      detail: expect.stringContaining("the server was not running"),
    });
  });

  test("what gets free goes to the higher class, then to who used less, then to who came first", async () => {
    const { ann, bob } = world;
    const used = await world.reserve({ gpu_count: 4, duration_s: HOUR });
    await world.after(0);
    await world.after(HOUR_MS);
    expect((await world.show(used)).state).toBe("expired");
    const holder = await world.reserve({ gpu_count: 4, duration_s: 24 * HOUR });
    await world.after(0);
    const wish = { gpu_count: 4, duration_s: HOUR };
    const low = await world.reserve({ ...wish, priority: "low" }, bob);
    const anns = await world.reserve(wish, ann);
    const bobs = await world.reserve(wish, bob);
    const high = await world.reserve({ ...wish, priority: "high" }, ann);
    const next = async (): Promise<string[]> => {
      const rows = await world.rows("reservations");
      return rows.filter((r) => r.state === "active").map((r) => r.id);
    };
    const order: string[] = [];
    for (let running = holder; order.length < 4; running = order.at(-1) ?? "") {
      await cancelReservation(world.core, running === low || running === bobs ? bob : ann, running);
      await world.after(0);
      order.push(...(await next()));
    }
    // The places in line are kept; those who gain from what got free are asked in this order.
    expect(order).toEqual([high, bobs, anns, low]);
  });

  test("only administrators give the priority high", async () => {
    expect(await refusal(world.reserve({ priority: "high" }, world.bob))).toMatchObject({
      code: "not_allowed",
    });
    await world.reserve({ priority: "high" }, world.ann);
    expect(await world.show(await world.reserve({ priority: "low" }, world.bob), world.bob)).toMatchObject({
      priority: "low",
    });
  });
});
