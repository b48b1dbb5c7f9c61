import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { listEvents } from "../../src/core/listing.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World } from "./world.ts";

describe.each(engines)("life of a reservation on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    world = await makeRunningWorld(database);
  });

  const history = async (id: string) =>
    (await listEvents(world.core, world.ann, id)).items.map((e) => [e.version, e.type, e.state]);

  test("L-09 time counts from the first proved login, and every change has its entry (L-01)", async () => {
    world.driver.launched = { state: "starting", reason: "booting" };
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(60_000);
    expect(await world.show(id)).toMatchObject({ state: "preparing", ends_at: null, started_at: null });
    for (const pod of world.driver.pods.values()) pod.view = { state: "running" };
    await world.after(10_000);
    const active = await world.show(id);
    expect(active).toMatchObject({ state: "active", version: 3, attempt: 1, ssh_attempts: 1 });
    expect(active.started_at).toBe("2026-01-05T08:01:10.000Z");
    expect(active.ends_at).toBe("2026-01-05T09:01:10.000Z");
    expect(await history(id)).toEqual([
      [1, "created", "queued"],
      [2, "preparing", "preparing"],
      [3, "active", "active"],
    ]);
    const audit = (await world.rows("audit")).filter((a) => a.subject === id).map((a) => [a.actor, a.action]);
    expect(audit.toSorted()).toEqual(
      [
        [world.ann.id, "reservation.created"],
        ["system", "reservation.preparing"],
        ["system", "reservation.active"],
      ].toSorted(),
    );
  });

  test("it expires at ends_at, its pod goes, and its GPUs and keys are given back", async () => {
    const id = await world.reserve({ gpu_count: 8, duration_s: 60 });
    await world.after(0);
    expect((await world.show(id)).gpus).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    await world.after(59_999);
    expect((await world.show(id)).state).toBe("active");
    await world.after(1);
    expect(await world.show(id)).toMatchObject({
      state: "expired",
      ended_at: "2026-01-05T08:01:00.000Z",
      reason: "its time is over",
      gpus: [],
      version: 5,
    });
    expect(world.driver.pods.size).toBe(0);
    expect(await world.rows("allocations")).toEqual([]);
    expect(await world.rows("secrets")).toEqual([]);
  });

  test("L-01 each phase has its time, and none of them is an entry of the history", async () => {
    world.driver.before = async (verb) => {
      if (verb === "launch") world.clock.tick(200);
    };
    world.probeWith = async () => {
      world.clock.tick(700);
      return { ok: true };
    };
    const waits = await world.reserve({ gpu_count: 8 });
    const queued = await world.reserve();
    await world.after(0);
    const { placed_at, launched_at, proved_at, started_at, ending_at } = await world.show(waits);
    expect([placed_at, launched_at, proved_at, started_at, ending_at]).toEqual([
      "2026-01-05T08:00:00.000Z",
      "2026-01-05T08:00:00.200Z",
      "2026-01-05T08:00:00.900Z",
      "2026-01-05T08:00:00.900Z",
      null,
    ]);
    expect(await world.show(queued)).toMatchObject({ placed_at: null, launched_at: null, proved_at: null });
    await cancelReservation(world.core, world.ann, queued);
    expect(await world.show(queued)).toMatchObject({ state: "cancelled", ending_at: null });
    await cancelReservation(world.core, world.ann, waits);
    await world.after(0);
    expect(await world.show(waits)).toMatchObject({
      ending_at: "2026-01-05T08:00:00.900Z",
      ended_at: "2026-01-05T08:00:00.900Z",
    });
    expect((await history(waits)).map(([version]) => version)).toEqual([1, 2, 3, 4, 5]);
  });

  test("L-04 the pod is written down under its attempt before it is asked for", async () => {
    let stored: unknown;
    world.driver.before = async (verb) => {
      if (verb === "launch") stored ??= (await world.rows("reservations")).map((r) => `${r.id}-${r.attempt}`);
    };
    const id = await world.reserve();
    await world.after(0);
    expect(stored).toEqual([`${id}-1`]);
    expect([...world.driver.pods.keys()]).toEqual([`${id}-1`]);
  });

  test("the pod gets the owner's keys and the probe's, and the probe's is gone once it is active", async () => {
    const id = await world.reserve({ duration_s: 7200 });
    await world.after(0);
    const pod = world.driver.pods.get(`${id}-1`);
    const [own] = (await world.rows("ssh_keys")).filter((k) => k.user_id === world.ann.id);
    expect(pod?.spec.authorizedKeys).toEqual([
      own?.public_key,
      expect.stringMatching(/^restrict,command="exit 0" ssh-ed25519 /),
    ]);
    expect(pod?.spec.deadlineS).toBe(7200 + 300);
    expect(pod?.updates).toEqual([{ deadlineS: 7200, authorizedKeys: [own?.public_key] }]);
  });

  test("L-07 an unknown state is refused by the database, and no step follows a final one", async () => {
    const id = await world.reserve();
    const update = (state: string) =>
      world.core.store.write(({ db }) =>
        db
          .updateTable("reservations")
          .set({ state: state as "active" })
          .where("id", "=", id)
          .execute(),
      );
    await expect(update("paused")).rejects.toThrow(/check|constraint/i);
    await expect(update("expired")).rejects.toThrow(/check|constraint/i);
    await cancelReservation(world.core, world.ann, id);
    await world.after(0);
    const calls = world.driver.calls.length;
    await world.after(50_000);
    expect(world.driver.calls.length).toBe(calls);
  });

  test("L-14 what never asked for a pod ends at once", async () => {
    await world.reserve({ gpu_count: 8 });
    const waiting = await world.reserve({ gpu_count: 8 });
    await world.reconciler.stop();
    const cancelled = await cancelReservation(world.core, world.ann, waiting);
    expect(cancelled).toMatchObject({ state: "cancelled", version: 2, attempt: 0 });
    expect(world.driver.calls.filter((c) => c.includes(waiting))).toEqual([]);
  });

  test("L-02 a change made meanwhile is seen: cancelled during the launch, it never becomes active", async () => {
    let cancelled: Promise<unknown> | undefined;
    world.driver.before = async (verb) => {
      if (verb !== "launch" || cancelled) return;
      const [row] = await world.rows("reservations");
      cancelled = cancelReservation(world.core, world.ann, row?.id ?? "");
      await cancelled;
    };
    const id = await world.reserve();
    await world.after(0);
    expect((await world.show(id)).state).toBe("cancelled");
    expect((await history(id)).map(([, type]) => type)).toEqual([
      "created",
      "preparing",
      "ending",
      "cancelled",
    ]);
    expect(world.driver.pods.size).toBe(0);
  });

  test("L-08 extensions, also at the same moment, never exceed the maximum; the pod's deadline moves first", async () => {
    const id = await world.reserve({ duration_s: 40 * 3600 });
    await world.after(0);
    const before = await world.show(id);
    const pod = world.driver.pods.get(`${id}-1`);
    world.driver.faults.set("update", new DriverError("not now"));
    await expect(patchReservation(world.core, world.ann, id, { extend_s: 60 })).rejects.toMatchObject({
      code: "unavailable",
    });
    expect((await world.show(id)).ends_at).toBe(before.ends_at);
    world.driver.faults.clear();
    const extend = () => patchReservation(world.core, world.ann, id, { extend_s: 3 * 3600 });
    const results = await Promise.allSettled([extend(), extend(), extend(), extend()]);
    expect(results.map((r) => r.status).toSorted()).toEqual([
      "fulfilled",
      "fulfilled",
      "rejected",
      "rejected",
    ]);
    const refused = results.find((r) => r.status === "rejected");
    expect(refused).toMatchObject({
      reason: {
        code: "over_maximum",
        message: "h100 is given for at most 2d in all, this has 1d22h: at most 2h more is possible",
      },
    });
    const after = await world.show(id);
    expect(after.duration_s).toBe(46 * 3600);
    expect(Date.parse(after.ends_at ?? "") - Date.parse(before.ends_at ?? "")).toBe(6 * 3_600_000);
    expect(pod?.updates.at(-1)).toEqual({ deadlineS: 46 * 3600 });
    expect(after.version).toBe(before.version + 2);
  });

  test("L-08 L-02 an extension that is overtaken by a cancellation is refused and revives nothing", async () => {
    const id = await world.reserve();
    await world.after(0);
    world.driver.before = async (verb) => {
      if (verb !== "update") return;
      world.driver.before = undefined;
      await cancelReservation(world.core, world.ann, id);
    };
    const before = (await world.show(id)).ends_at;
    await expect(
      patchReservation(world.core, world.ann, id, { extend_s: 60, name: "longer" }),
    ).rejects.toMatchObject({ code: "not_active" });
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ state: "cancelled", ends_at: before, name: null });
  });

  test("L-08 only an active reservation is extended", async () => {
    await world.reserve({ gpu_count: 8 });
    const queued = await world.reserve();
    const patch = patchReservation(world.core, world.ann, queued, { extend_s: 60 });
    await expect(patch).rejects.toMatchObject({ code: "not_active" });
  });
});
