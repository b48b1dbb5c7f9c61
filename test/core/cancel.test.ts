import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World } from "./world.ts";

describe.each(engines)("cancelling in every state on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh());
  });

  const cancel = (id: string) => cancelReservation(world.core, world.ann, id);
  const state = async (id: string) => (await world.show(id)).state;
  async function expectCancelled(id: string): Promise<void> {
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "cancelled",
      gpus: [],
      reason: "cancelled by its owner",
    });
    expect(world.driver.pods.has(`${id}-1`)).toBe(false);
    const again = await cancel(id);
    expect(again).toEqual(await world.show(id));
  }

  test("queued: at once, without a pod", async () => {
    const holder = await world.reserve({ gpu_count: 8 });
    const id = await world.reserve({ gpu_count: 8 });
    expect((await cancel(id)).state).toBe("cancelled");
    await expectCancelled(id);
    expect(world.driver.calls.filter((call) => call.includes(id))).toEqual([]);
    await cancel(holder);
    await world.after(0);
  });

  test.each([
    ["its pod starts", () => (world.driver.launched = { state: "starting", reason: "booting" })],
    ["its launch fails", () => world.driver.faults.set("launch", new DriverError("not now"))],
    ["nobody can say how it is", () => world.driver.faults.set("inspect", new DriverError("not now"))],
    ["its login is not proved", () => (world.probe = { ok: false, cause: "refused", detail: "x" })],
  ] as const)("preparing: %s", async (_, trouble) => {
    trouble();
    const id = await world.reserve();
    await world.after(0);
    expect(await state(id)).toBe("preparing");
    await cancel(id);
    await expectCancelled(id);
  });

  test("active, also when its pod died or its driver is away for a while", async () => {
    const [one, two] = [await world.reserve(), await world.reserve()];
    await world.after(0);
    await cancel(one);
    await expectCancelled(one);
    world.driver.faults.set("inspect", new DriverError("not now"));
    world.driver.faults.set("terminate", new DriverError("not now"));
    await cancel(two);
    await world.after(0);
    expect(await world.show(two)).toMatchObject({
      state: "ending",
      last_error: "taking the pod away failed: not now",
    });
    expect((await cancel(two)).state).toBe("ending");
    world.driver.faults.clear();
    await world.after(60_000);
    await expectCancelled(two);
  });

  test("ending or ended otherwise: refused with how it ended, and nothing is changed", async () => {
    const id = await world.reserve({ duration_s: 60 });
    await world.after(0);
    world.driver.faults.set("terminate", new DriverError("not now"));
    await world.after(60_000);
    expect(await state(id)).toBe("ending");
    await expect(cancel(id)).rejects.toMatchObject({
      code: "not_active",
      message: expect.stringContaining("is ending"),
    });
    world.driver.faults.clear();
    await world.after(60_000);
    const ended = await world.show(id);
    expect(ended).toMatchObject({ state: "expired", reason: "its time is over" });
    await expect(cancel(id)).rejects.toMatchObject({ code: "not_active" });
    expect(await world.show(id)).toEqual(ended);
  });
});
