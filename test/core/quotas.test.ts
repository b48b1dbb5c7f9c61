import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { createReservation } from "../../src/core/create.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { liftMaximum } from "../../src/core/lift.ts";
import { listEvents } from "../../src/core/listing.ts";
import { forecastReservation } from "../../src/core/planning/forecast.ts";
import { listOwnQuotas } from "../../src/core/quotas/own.ts";
import { listQuotas, setQuota } from "../../src/core/quotas/settings.ts";
import { addMember, createTeam } from "../../src/core/teams.ts";
import { openStore } from "../../src/store/db.ts";
import { countedFor } from "../../src/store/quotas.ts";
import { engines, freshDatabases, type TestDatabase } from "../helpers/engines.ts";
import { makeRunningWorld, type World, worldOn } from "./world.ts";

const HOUR = 3600;
const later = (hours: number) =>
  new Date(Date.parse("2026-01-05T08:00:00.000Z") + hours * 3_600_000).toISOString();
const behind = (whose: string, most: number) =>
  `waits for room in the quota of ${whose}, ${most} GPUs at once: others wait before it`;
type Wish = Partial<Parameters<typeof createReservation>[2]>;

describe.each(engines)("quotas on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  let database: TestDatabase;
  beforeEach(async () => {
    database = await fresh();
    world = await makeRunningWorld(database);
  });

  /** Another one on the same database, which reconciles nothing. */
  async function secondServer(): Promise<World> {
    const store = await openStore({ url: database.url, clock: world.clock });
    onTestFinished(() => store.close());
    return worldOn(store, world.clock, world.driver);
  }
  const limit = (given: Parameters<typeof setQuota>[2]) => setQuota(world.core, world.ann, given);
  const reserve = (wish: Wish = {}) => world.reserve(wish, world.bob);
  const show = (id: string) => world.show(id, world.bob);
  const over = (field: string, message: string) => ({
    code: "over_quota",
    message,
    errors: [{ field, code: "over_quota", detail: message }],
  });

  test("types and times that a quota does not allow are refused, with whose it is", async () => {
    await limit({ default: true, max_duration_s: 2 * HOUR, gpu_types: ["h100"] });
    await expect(reserve({ duration_s: 3 * HOUR })).rejects.toMatchObject(
      over("duration_s", "the quota of user bob allows at most 2h for a reservation, this asks for 3h"),
    );
    await expect(reserve({ gpu_type: "cpu" })).rejects.toMatchObject(
      over("gpu_type", "the quota of user bob allows h100, not cpu"),
    );
    const id = await reserve({ duration_s: HOUR });
    await world.after(0);
    const extend = (extend_s: number) => patchReservation(world.core, world.bob, id, { extend_s });
    await expect(extend(HOUR + 60)).rejects.toMatchObject(
      over(
        "extend_s",
        "the quota of user bob allows at most 2h for a reservation, this has 1h, at most 1h more is possible",
      ),
    );
    expect(await extend(HOUR)).toMatchObject({ duration_s: 2 * HOUR });
    // His own goes before the default, limit by limit.
    await limit({ user: "bob", max_duration_s: 4 * HOUR });
    await expect(reserve({ gpu_type: "cpu" })).rejects.toMatchObject({ code: "over_quota" });
    expect((await patchReservation(world.core, world.bob, id, { extend_max: true })).duration_s).toBe(
      4 * HOUR,
    );
    // An administrator's lift asks no quota.
    await liftMaximum(world.core, world.ann, id, { extend_s: HOUR, reason: "x" });
    expect((await show(id)).duration_s).toBe(5 * HOUR);
  });

  test("GPU hours count what is planned, slide out of the week, and bound extensions", async () => {
    await limit({ user: "bob", gpu_seconds: 10 * HOUR });
    const id = await reserve({ gpu_count: 4, duration_s: 2 * HOUR });
    await expect(reserve({ gpu_count: 1, duration_s: 3 * HOUR })).rejects.toMatchObject(
      over(
        "duration_s",
        `the quota of user bob: 8 of 10 GPU hours within 7 days are used or planned, this asks for 3; there is room at ${later(7 * 24 + 0.25)}`,
      ),
    );
    await expect(reserve({ gpu_count: 8, duration_s: 2 * HOUR })).rejects.toMatchObject({
      message: expect.stringContaining("this asks for 16; it is more than all of them"),
    });
    await world.after(0);
    await expect(patchReservation(world.core, world.bob, id, { extend_s: HOUR })).rejects.toMatchObject({
      code: "over_quota",
      message: expect.stringContaining(
        "8 of 10 GPU hours within 7 days are used or planned, for this, at most 30m more is possible",
      ),
    });
    expect(await patchReservation(world.core, world.bob, id, { extend_max: true })).toMatchObject({
      duration_s: 2.5 * HOUR,
    });
    await world.after(1.5 * HOUR * 1000);
    await cancelReservation(world.core, world.bob, id);
    await world.after(0);
    // What was given back counts no longer.
    await reserve({ gpu_count: 4, duration_s: HOUR });
    await expect(reserve({ duration_s: HOUR })).rejects.toMatchObject({ code: "over_quota" });
    // Types without GPUs use none.
    await reserve({ gpu_type: "cpu", duration_s: 40 * HOUR });
  });

  test("GPUs at once: who finds no room waits for it, outside of the plan, and starts when there is", async () => {
    await limit({ default: true, gpus: 4 });
    await expect(reserve({ gpu_count: 5 })).rejects.toMatchObject(
      over("gpu_count", "the quota of user bob allows 4 GPUs at once, this asks for 5"),
    );
    const first = await reserve({ gpu_count: 4 });
    await world.after(0);
    const reason = `waits for room in the quota of user bob: 4 of 4 GPUs at once are taken; there is room by ${later(1)}`;
    const second = await reserve({ gpu_count: 3, duration_s: 2 * HOUR });
    expect(await show(second)).toMatchObject({
      state: "queued",
      reason,
      latest_start_at: null,
      queue_position: null,
    });
    expect(
      await forecastReservation(world.core, world.bob, { gpu_type: "h100", duration_s: HOUR }),
    ).toMatchObject({
      latest_start_at: null,
      reason: behind("user bob", 4),
    });
    for (const wish of [{ queue: false }, { start_at: later(5) }])
      await expect(reserve(wish)).rejects.toMatchObject({
        code: "over_quota",
        message: expect.stringContaining(behind("user bob", 4)),
      });
    // Others are not held up by whom a quota keeps waiting.
    const hers = await world.reserve({ gpu_count: 4 });
    await world.after(0);
    expect((await world.show(hers)).state).toBe("active");
    const third = await reserve({ gpu_count: 1 });
    await world.after(HOUR * 1000);
    expect((await show(first)).state).toBe("expired");
    // In order of arrival, as many as fit.
    expect((await show(second)).state).toBe("active");
    expect((await show(third)).state).toBe("active");
    const { items } = await listEvents(world.core, world.bob, second);
    expect(items.map((event) => event.type)).toEqual(["created", "admitted", "preparing", "active"]);
    expect(items[0]?.detail).toBe(reason);
  });

  test("what ended without ever having worked is not even read", async () => {
    await limit({ default: true, gpus: 1 });
    const first = await reserve();
    const second = await reserve();
    await cancelReservation(world.core, world.bob, second);
    const counted = await world.core.store.read((db) => countedFor(db, [world.bob.id], later(-1)));
    expect(counted.map((row) => row.id)).toEqual([first]);
  });

  test("a team shares its quota; a user's own holds beside it; the one who came first goes first", async () => {
    await createTeam(world.core, world.ann, "vision", undefined);
    for (const user of ["ann", "bob"]) await addMember(world.core, world.ann, "vision", user);
    await limit({ team: "vision", gpus: 4, gpu_seconds: 20 * HOUR });
    const hers = await world.reserve({ gpu_count: 3, duration_s: 2 * HOUR });
    await world.after(0);
    const big = await reserve({ gpu_count: 4 });
    expect((await show(big)).reason).toContain(
      "waits for room in the quota of team vision: 3 of 4 GPUs at once",
    );
    const small = await world.reserve({ gpu_count: 1 });
    expect((await world.show(small)).reason).toBe(behind("team vision", 4));
    await expect(reserve({ gpu_count: 4, duration_s: 3 * HOUR })).rejects.toMatchObject({
      message: expect.stringContaining("the quota of team vision: 11 of 20 GPU hours within 7 days"),
    });
    const own = await listOwnQuotas(world.core, world.bob);
    expect(own.items).toEqual([
      { whose: "team vision", limit: "gpus", most: 4, used: 3, room_at: null, gpu_types: null },
      {
        whose: "team vision",
        limit: "gpu_seconds",
        most: 20 * HOUR,
        used: 11 * HOUR,
        room_at: null,
        gpu_types: null,
      },
    ]);
    await cancelReservation(world.core, world.ann, hers);
    await world.after(0);
    expect([(await show(big)).state, (await world.show(small)).state]).toEqual(["active", "queued"]);
    await world.after(HOUR * 1000);
    expect((await world.show(small)).state).toBe("active");
  });

  test("a larger quota lets in at once; a smaller one takes nothing away; one that waits can be cancelled, and fails in the end", async () => {
    await limit({ user: "bob", gpus: 2 });
    const running = await reserve({ gpu_count: 2, duration_s: 48 * HOUR });
    await world.after(0);
    const [waits, gone, late] = [await reserve(), await reserve(), await reserve()];
    await cancelReservation(world.core, world.bob, gone);
    expect(await show(gone)).toMatchObject({ state: "cancelled" });
    await limit({ user: "bob", gpus: 3 });
    await world.after(0);
    expect([(await show(waits)).state, (await show(late)).state]).toEqual(["active", "queued"]);
    await limit({ user: "bob", gpus: 1 });
    await world.after(0);
    expect((await show(running)).state).toBe("active");
    expect((await show(late)).reason).toContain("3 of 1 GPUs at once are taken");
    await liftMaximum(world.core, world.ann, running, { extend_s: 24 * HOUR, reason: "x" });
    await world.after(48 * HOUR * 1000);
    expect(await show(late)).toMatchObject({
      state: "failed",
      reason: "there was no room in the quota in the time that it may wait",
    });
    await limit({ user: "bob", gpus: null });
    expect((await listQuotas(world.core)).items).toEqual([]);
  });

  test("B-08 of many at the same moment no more than the quota allows get in, each once", async () => {
    await limit({ user: "bob", gpus: 3, gpu_seconds: 6 * HOUR });
    const other = await secondServer();
    const made = await Promise.allSettled(
      Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? reserve() : other.reserve({}, other.bob))),
    );
    await world.after(0);
    expect(made.filter((one) => one.status === "fulfilled")).toHaveLength(6);
    const rows = await world.rows("reservations");
    expect(rows.map((row) => row.state).sort()).toEqual([
      ...["active", "active", "active", "queued", "queued", "queued"],
    ]);
    // All that run end at the same moment.
    await world.after(HOUR * 1000);
    const states = (await world.rows("reservations")).map((row) => row.state).sort();
    expect(states).toEqual(["active", "active", "active", "expired", "expired", "expired"]);
  });

  test("B-08 extensions at the same moment never exceed the hours", async () => {
    await limit({ user: "bob", gpu_seconds: 4 * HOUR });
    const ids = [await reserve(), await reserve()];
    await world.after(0);
    const other = await secondServer();
    const extend = ({ core, bob }: World, id = "") => patchReservation(core, bob, id, { extend_s: HOUR });
    const done = await Promise.allSettled(
      [world, other, world, other].map((server, i) => extend(server, ids[i >> 1])),
    );
    expect(done.filter((one) => one.status === "fulfilled")).toHaveLength(2);
    expect((await listOwnQuotas(world.core, world.bob)).items).toMatchObject([
      { used: 4 * HOUR, most: 4 * HOUR },
    ]);
  });

  test("setting: what there is not is refused, what is left out stays, and all is in the audit trail", async () => {
    await expect(limit({ user: "eve", gpus: 1 })).rejects.toMatchObject({
      code: "not_found",
      message: "there is no user eve",
    });
    await expect(limit({ team: "vision", gpus: 1 })).rejects.toMatchObject({ code: "not_found" });
    await expect(limit({ default: true, gpu_types: ["h10"] })).rejects.toMatchObject({
      code: "invalid_input",
      hint: "did you mean h100?",
    });
    await limit({ user: "bob", gpus: 1, gpu_types: ["h100", "cpu"] });
    await limit({ user: "bob", gpus: null, gpu_seconds: 10 ** 12 });
    await limit({ default: true, max_duration_s: HOUR });
    const none = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };
    expect((await listQuotas(world.core)).items).toEqual([
      { ...none, kind: "default", name: null, max_duration_s: HOUR },
      { ...none, kind: "user", name: "bob", gpu_seconds: 10 ** 12, gpu_types: ["h100", "cpu"] },
    ]);
    const audited = (await world.rows("audit")).filter((entry) => entry.action === "quota.set");
    expect(audited.map((entry) => [entry.actor, entry.subject])).toEqual([
      [world.ann.id, "bob"],
      [world.ann.id, "bob"],
      [world.ann.id, "default"],
    ]);
  });
});
