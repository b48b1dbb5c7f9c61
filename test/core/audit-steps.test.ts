/** That what the reconciler does by itself is in the audit trail. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Step } from "../../src/core/lifecycle.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeRunningWorld, type World } from "./world.ts";

const MIN = 60_000;

/** What each step of the life writes; a step that is new has to say so here. Null: it looks, or tries again what an entry tells already. */
const STEPS: Record<Step["do"], string | null> = {
  inspect: null,
  // Placing it was the change; the pod is its consequence.
  launch: null,
  prove: null,
  activate: "reservation.active",
  // Who changed the keys, or whom it is shared with, is in the trail.
  admit: null,
  warn: "reservation.warned",
  idle: "reservation.idle",
  terminate: null,
  finish: "reservation.expired",
  requeue: "reservation.requeued",
  end: "reservation.ending",
  wait: null,
};
/** What is no step of one reservation. */
const OTHERS = ["reservation.preparing", "pod.remove"];

describe.each(engines)("O-03 what the reconciler does on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh(), {
      parts: { settings: { domain: "gpu.test", idleAfterS: 3600 } },
    });
  });

  test("O-03 each change that it makes by itself is an entry of the system's, as is each of the history", async () => {
    world.driver.launched = { state: "starting", reason: "pulling" };
    const id = await world.reserve({ duration_s: 8 * 3600 });
    await world.after(0);
    world.driver.nodes = [{ ...h100(8), healthy: false }];
    await world.after(61_000);
    await world.after(10_000);
    expect((await world.show(id)).state).toBe("queued");
    world.driver.launched = { state: "running" };
    world.driver.nodes = [h100(8)];
    for (let i = 0; i < 3; i++) await world.after(61_000);
    expect((await world.show(id)).state).toBe("active");
    const [pod] = world.driver.pods.values();
    if (pod) world.driver.pods.set(`${"a".repeat(20)}-1`, pod);
    for (let i = 0; i < 3; i++) await world.after(61_000);
    world.driver.activity = { sessions: 0, gpuBusy: false };
    await world.after(8000);
    await world.after(55 * MIN);
    world.driver.activity = { sessions: 1, gpuBusy: false };
    await world.after(8000);
    const ends = Date.parse((await world.show(id)).ends_at ?? "");
    await world.after(ends - world.clock.now().getTime() - 10 * MIN);
    await world.after(10 * MIN);
    expect((await world.show(id)).state).toBe("expired");

    const audit = await world.rows("audit");
    const done = new Set(audit.filter(({ actor }) => actor === "system").map(({ action }) => action));
    for (const action of [...Object.values(STEPS), ...OTHERS])
      if (action) expect([...done]).toContain(action);
    const told = audit.map(({ subject, action, at }) => `${subject} ${action} ${at}`);
    for (const event of await world.rows("events"))
      expect(told).toContain(`${event.reservation_id} reservation.${event.type} ${event.at}`);
  });
});
