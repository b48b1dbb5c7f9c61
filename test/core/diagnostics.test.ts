import { beforeEach, describe, expect, test } from "vitest";
import { changeCollaborators } from "../../src/core/collaborators.ts";
import { diagnose } from "../../src/core/diagnostics.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World } from "./world.ts";

const START = "2026-01-05T08:00:00.000Z";

describe.each(engines)("L-21 diagnostics on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh());
  });

  const why = (id: string, caller = world.ann) => diagnose(world.core, caller, id);

  test("L-21 one that waits says for what, since when, and when it starts", async () => {
    await world.reserve({ gpu_count: 8 });
    await world.after(0);
    const id = await world.reserve({ gpu_count: 8 });
    await world.after(90_500);
    const { latest_start_at, estimated_start_at, reason } = await world.show(id);
    expect(await why(id)).toMatchObject({
      state: "queued",
      state_since: START,
      state_age_s: 90,
      reason,
      latest_start_at,
      ssh: { attempts: 0, last: null },
      pod: { name: null, attempt: 0, state: "none" },
      next: { step: "wait", detail: "gets its GPUs", at: estimated_start_at },
    });
    expect(reason).toContain("waits for 8 h100");
  });

  test("L-21 one that is prepared says how the last ssh login failed, and what is tried when", async () => {
    world.probe = { ok: false, cause: "refused", detail: "connect ECONNREFUSED" };
    const id = await world.reserve();
    await world.after(0);
    const seen = await why(id);
    expect(seen).toMatchObject({
      state: "preparing",
      deadline_at: "2026-01-05T08:05:00.000Z",
      last_error: "ssh: refused (connect ECONNREFUSED)",
      ssh: {
        attempts: 1,
        last: { at: START, ok: false, cause: "refused", detail: "connect ECONNREFUSED" },
      },
      pod: { name: `${id}-1`, attempt: 1, state: "running", detail: null },
      next: { step: "prove", detail: "tries a first ssh login" },
      in_hand_until: null,
    });
    const [row] = await world.rows("reservations");
    expect(seen.next?.at).toBe(row?.next_step_at);
    expect(seen.events.map((event) => event.type)).toEqual(["created", "preparing"]);

    world.driver.launched = { state: "starting", reason: "pulls its image" };
    for (const pod of world.driver.pods.values()) pod.view = world.driver.launched;
    expect(await why(id)).toMatchObject({
      pod: { state: "starting", detail: "pulls its image" },
      next: { step: "wait", detail: "looks at the pod again" },
    });
    // It fails at its deadline, and still says what the last login was.
    await world.after(5 * 60_000);
    expect(await why(id)).toMatchObject({
      state: "failed",
      deadline_at: null,
      ssh: { last: { cause: "refused" } },
      pod: { state: "absent" },
      next: null,
    });
  });

  test("L-21 one that is active says what the driver sees, or that it could not be asked, within a bound", async () => {
    const id = await world.reserve();
    await world.after(0);
    await world.after(1000);
    expect(await why(id)).toMatchObject({
      state: "active",
      state_age_s: 1,
      deadline_at: "2026-01-05T09:00:00.000Z",
      ssh: { attempts: 1, last: { at: START, ok: true, cause: null } },
      pod: { state: "running" },
      next: { step: "wait", detail: "looks at the pod again" },
    });
    world.driver.faults.set("inspect", new DriverError("the socket is gone"));
    expect(await why(id)).toMatchObject({
      pod: { state: "unknown", detail: "the driver could not be asked: the socket is gone" },
      next: { step: "wait" },
    });
    world.driver.faults.clear();
    const never = Promise.withResolvers<void>();
    world.driver.before = () => never.promise;
    expect((await diagnose(world.core, world.ann, id, 20)).pod).toMatchObject({
      state: "unknown",
      detail: "the driver could not be asked: inspect: no answer within 0.02 s",
    });
    world.driver.before = undefined;
    never.resolve();
    for (const pod of world.driver.pods.values()) pod.view = { state: "dead", reason: "its memory ran out" };
    expect(await why(id)).toMatchObject({
      pod: { state: "dead", detail: "its memory ran out" },
      next: { step: "end", detail: "ends as failed: the pod died: its memory ran out" },
    });
  });

  test("L-21 one that ends says why its pod is still there, and the last of its history", async () => {
    const id = await world.reserve();
    await world.after(0);
    world.driver.faults.set("terminate", new DriverError("the node hangs"));
    await cancelReservation(world.core, world.ann, id);
    await world.after(0);
    expect(await why(id)).toMatchObject({
      state: "ending",
      deadline_at: null,
      reason: "cancelled by its owner",
      last_error: "taking the pod away failed: the node hangs",
      pod: { state: "running" },
      next: { step: "terminate", detail: "takes the pod away" },
    });
    world.driver.faults.clear();
    await world.after(60_000);
    const over = await why(id);
    expect(over).toMatchObject({ state: "cancelled", next: null });
    expect(over.events.map((event) => event.type)).toEqual([
      ...["created", "preparing", "active", "ending", "cancelled"],
    ]);
  });

  test("L-21 A-02 it is for who sees the reservation, and for administrators; for others there is none", async () => {
    const [hers, his] = [await world.reserve(), await world.reserve({}, world.bob)];
    const refused = (id: string) => ({
      code: "not_found",
      message: `there is no reservation ${id} of yours`,
    });
    await expect(why(hers, world.bob)).rejects.toMatchObject(refused(hers));
    await expect(why("a".repeat(20), world.bob)).rejects.toMatchObject(refused("a".repeat(20)));
    await expect(why("a".repeat(20))).rejects.toMatchObject(refused("a".repeat(20)));
    expect(await why(his)).toMatchObject({ id: his, owner: "bob" });
    // A pod's token has its owner's role, and is good for one reservation.
    const pod = { ...world.ann, reservationId: hers };
    expect(await why(hers, pod)).toMatchObject({ id: hers });
    await expect(why(his, pod)).rejects.toMatchObject(refused(his));
    await changeCollaborators(world.core, world.ann, { id: hers, at: undefined }, ["bob"], []);
    expect(await why(hers, world.bob)).toMatchObject({ id: hers, owner: "ann" });
  });
});
