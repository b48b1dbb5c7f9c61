import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { liftMaximum } from "../../src/core/lift.ts";
import { listEvents } from "../../src/core/listing.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World } from "./world.ts";

const HOUR = 3600;
const later = (hours: number) =>
  new Date(Date.parse("2026-01-05T08:00:00.000Z") + hours * 3_600_000).toISOString();

describe.each(engines)("L-20 lifting a maximum on $engine", ({ create }) => {
  let world: World;
  let id: string;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh());
    id = await world.reserve({ gpu_count: 8, duration_s: 48 * HOUR }, world.bob);
    await world.after(0);
  });

  const lift = (given: { until?: string; extend_s?: number }, caller = world.ann) =>
    liftMaximum(world.core, caller, id, { ...given, reason: "paper deadline" });

  test("L-20 an administrator gives one reservation a later end; its owner and the audit trail are told why", async () => {
    expect(await lift({ until: later(60) })).toEqual({
      id,
      name: null,
      owner: "bob",
      duration_s: 60 * HOUR,
      ends_at: later(60),
    });
    const detail = `by 12h, until ${later(60)}, by an administrator: paper deadline`;
    const { items } = await listEvents(world.core, world.bob, id);
    expect(items.at(-1)).toMatchObject({ type: "lifted", detail });
    const audited = (await world.rows("audit")).filter((entry) => entry.action === "reservation.lifted");
    expect(audited).toMatchObject([{ actor: world.ann.id, subject: id, detail }]);
    expect(world.driver.pods.get(`${id}-1`)?.updates.at(-1)).toMatchObject({ deadlineS: 60 * HOUR });
    // It is for this once: the owner has no more than before, nor has another reservation.
    await expect(patchReservation(world.core, world.bob, id, { extend_s: 60 })).rejects.toMatchObject({
      code: "over_maximum",
    });
    await expect(world.reserve({ duration_s: 48 * HOUR + 1 }, world.bob)).rejects.toMatchObject({
      code: "invalid_input",
    });
    expect(await lift({ extend_s: HOUR })).toMatchObject({ ends_at: later(61) });
    await world.after(61 * HOUR * 1000 - 1);
    expect(await world.show(id, world.bob)).toMatchObject({ state: "active" });
    await world.after(1);
    expect(await world.show(id, world.bob)).toMatchObject({ state: "expired" });
  });

  test("L-20 nobody else does, not even to their own, and what was promised to others is kept", async () => {
    const words = "only administrators lift the maximum of a reservation";
    await expect(lift({ extend_s: 60 }, world.bob)).rejects.toMatchObject({
      code: "not_allowed",
      message: words,
    });
    const unknown = liftMaximum(world.core, world.bob, "a".repeat(20), { extend_s: 60, reason: "x" });
    await expect(unknown).rejects.toMatchObject({ code: "not_allowed", message: words });
    const waiting = await world.reserve({ start_at: later(50) });
    const latest = new Date(Date.parse(later(50)) - 60_000).toISOString();
    await expect(lift({ until: later(60) })).rejects.toMatchObject({
      code: "over_promise",
      message: `its GPUs are promised to others: it can last until ${latest}, at most 1h59m more is possible`,
      hint: `give it that end: --until ${latest}`,
    });
    expect(await lift({ until: latest })).toMatchObject({ ends_at: latest });
    await world.after(50 * HOUR * 1000);
    expect(await world.show(waiting)).toMatchObject({ state: "active", started_at: later(50) });
  });

  test("L-20 no end that is none: one before the present end, one in another age, or of what does not run", async () => {
    await expect(lift({ until: later(48) })).rejects.toMatchObject({
      code: "invalid_input",
      errors: [
        { field: "until", code: "too_small", detail: `must be later than its present end, ${later(48)}` },
      ],
    });
    await expect(lift({ until: "9999-01-01T00:00:00.000Z" })).rejects.toMatchObject({
      code: "over_maximum",
      message: "no reservation lasts longer than 366d in all",
    });
    world.driver.faults.set("update", new DriverError("the node hangs"));
    await expect(lift({ extend_s: 60 })).rejects.toMatchObject({ code: "unavailable" });
    world.driver.faults.clear();
    await cancelReservation(world.core, world.bob, id);
    await expect(lift({ extend_s: 60 })).rejects.toMatchObject({ code: "not_active" });
    id = "a".repeat(20);
    await expect(lift({ extend_s: 60 })).rejects.toMatchObject({ code: "not_found" });
  });

  test("L-20 lifted by two at the same moment, each hour is given once for each of them", async () => {
    const ends = await Promise.all([
      lift({ extend_s: HOUR }),
      lift({ extend_s: HOUR }),
      lift({ extend_s: HOUR }),
    ]);
    expect(ends.map(({ ends_at }) => ends_at)).toContain(later(51));
    expect(await world.show(id, world.bob)).toMatchObject({ ends_at: later(51), duration_s: 51 * HOUR });
  });
});
