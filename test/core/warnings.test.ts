import { beforeEach, describe, expect, test } from "vitest";
import { patchReservation } from "../../src/core/edit.ts";
import { listEvents } from "../../src/core/listing.ts";
import { localAndUtc } from "../../src/core/pods/notices.ts";
import { dueWarning, passedWarning, untilWarning } from "../../src/core/pods/warnings.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World, worldOn } from "./world.ts";

const MIN = 60_000;

describe("which warning is due", () => {
  const at = new Date("2026-01-05T08:00:00.000Z");
  const ending = (seconds: number, warned_s: number | null = null) => ({
    ends_at: new Date(at.getTime() + seconds * 1000).toISOString(),
    warned_s,
  });

  test.each([
    [1801, null, undefined, 1],
    [1800, null, 1800, 900],
    [1800, 1800, undefined, 900],
    [901, 1800, undefined, 1],
    [900, 1800, 900, 600],
    [700, null, 900, 400],
    [299, 1800, 300, Number.POSITIVE_INFINITY],
    [299, 300, undefined, Number.POSITIVE_INFINITY],
    [10, 900, 300, Number.POSITIVE_INFINITY],
  ])("L-10 %i s before the end, after %s: %s, and the next in %s s", (left, warned, due, next) => {
    expect(dueWarning(ending(left, warned), at)).toBe(due);
    expect(untilWarning(ending(left, warned), at)).toBe(next * 1000);
  });

  test("what lies behind when an end is set counts as given", () => {
    expect([1801, 1800, 600, 60].map(passedWarning)).toEqual([null, 1800, 900, 300]);
  });

  test("an end is told in local time and in UTC, once where both are the same", () => {
    expect(localAndUtc(at, "UTC")).toBe("Mon 5 Jan, 08:00 UTC");
    expect(localAndUtc(at, "Asia/Tokyo")).toMatch(/^Mon 5 Jan, 17:00 (JST|GMT\+9) \(08:00 UTC\)$/);
    expect(localAndUtc(at, "America/Los_Angeles")).toMatch(/^Mon 5 Jan, 00:00 (PST|GMT-8) \(08:00 UTC\)$/);
  });
});

describe.each(engines)("warnings before the end on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh());
  });

  /** First lines of what the pod was told, in order. */
  const told = (id: string) =>
    (world.driver.pods.get(`${id}-1`)?.updates ?? []).flatMap(
      ({ endNotice }) => endNotice?.split("\n")[0] ?? [],
    );
  const within = (minutes: number) =>
    expect.stringContaining(`ends within ${minutes} minutes, at Mon 5 Jan, `);

  test("L-10 it is told at 30, 15 and 5 minutes, each once, with when, why and how to extend", async () => {
    const id = await world.reserve({ duration_s: 2 * 3600, name: "train" });
    await world.after(0);
    await world.after(90 * MIN - 1);
    expect(told(id)).toEqual([]);
    await world.after(1);
    expect(told(id)).toEqual([within(30)]);
    const text = world.driver.pods.get(`${id}-1`)?.updates.at(-1)?.endNotice;
    expect(text).toContain("the reservation train ends within 30 minutes");
    expect(text).toMatch(/10:00 UTC/);
    expect(text).toContain("the 2h that it has are over then");
    expect(text).toContain("gpu-dev edit train --extend 1h");
    for (let minute = 0; minute < 29; minute++) await world.after(MIN);
    expect(told(id)).toEqual([30, 15, 5].map(within));
    const { items } = await listEvents(world.core, world.ann, id);
    expect(items.filter((e) => e.type === "warned").map((e) => e.detail)).toEqual(
      ["30m", "15m", "5m"].map((ahead) => `ends within ${ahead}, at 2026-01-05T10:00:00.000Z`),
    );
    await world.after(MIN);
    expect(await world.show(id)).toMatchObject({ state: "expired", version: items.length + 2 });
  });

  test("L-10 a reservation first seen late gets one warning, the smallest that applies", async () => {
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(0);
    await world.reconciler.stop();
    world.clock.tick(48 * MIN);
    world.reconciler.start();
    await world.reconciler.idle();
    expect(told(id)).toEqual([within(15)]);
  });

  test("L-10 a restart does not repeat a warning", async () => {
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(0);
    await world.after(31 * MIN);
    await world.reconciler.stop();
    const restarted = await worldOn(world.core.store, world.clock, world.driver);
    restarted.reconciler.start();
    await restarted.after(MIN);
    await restarted.reconciler.stop();
    expect(told(id)).toEqual([within(30)]);
  });

  test("L-10 nobody is told what he has just asked for", async () => {
    const id = await world.reserve({ duration_s: 20 * 60 });
    await world.after(0);
    await world.after(MIN);
    expect(told(id)).toEqual([]);
    await world.after(5 * MIN);
    expect(told(id)).toEqual([within(15)]);
  });

  test("L-08 an extension takes the warning back and arms the next ones", async () => {
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(0);
    await world.after(50 * MIN);
    expect(told(id)).toEqual([within(15)]);
    await patchReservation(world.core, world.ann, id, { extend_s: 3600 });
    expect(world.driver.pods.get(`${id}-1`)?.updates.at(-1)).toEqual({ deadlineS: 70 * 60, endNotice: "" });
    await world.after(39 * MIN);
    expect(told(id)).toEqual([within(15), ""]);
    await world.after(MIN);
    expect(told(id)).toEqual([within(15), "", within(30)]);
  });

  test("L-10 who has the maximum is told that it cannot be extended, who has nearly, how far", async () => {
    const [all, nearly] = [
      await world.reserve({ duration_s: 48 * 3600 }),
      await world.reserve({ duration_s: 171_900 }),
    ];
    await world.after(0);
    await world.after(47 * 60 * MIN + 40 * MIN);
    const text = (id: string) => world.driver.pods.get(`${id}-1`)?.updates.at(-1)?.endNotice;
    expect(text(all)).toContain("cannot be extended: save your work");
    expect(text(nearly)).toContain("--extend 15m");
  });

  test("L-10 a notice that the driver refuses is trouble in its words", async () => {
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(0);
    world.driver.faults.set("update", new LaunchRefused("the notice is too long"));
    await world.after(30 * MIN);
    expect(await world.show(id)).toMatchObject({
      state: "active",
      last_error: "the end that is near could not be told: the notice is too long",
    });
    world.driver.faults.clear();
  });

  test("L-10 a driver that cannot tell is asked again, and it is told once", async () => {
    const id = await world.reserve({ duration_s: 3600 });
    await world.after(0);
    world.driver.faults.set("update", new DriverError("not now"));
    await world.after(30 * MIN);
    expect(await world.show(id)).toMatchObject({
      state: "active",
      last_error: "the end that is near could not be told: not now",
    });
    world.driver.faults.clear();
    await world.after(2000);
    await world.after(10_000);
    expect(told(id)).toEqual([within(30)]);
    expect(await world.show(id)).toMatchObject({ state: "active", last_error: null });
  });
});
