import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World, worldOn } from "./world.ts";

describe.each(engines)("trouble in the life of a reservation on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeRunningWorld(await fresh());
  });

  test("L-06 a refused launch fails the reservation with the reason and leaves nothing", async () => {
    world.driver.faults.set("launch", new LaunchRefused("sshd is not installed"));
    const id = await world.reserve();
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: "the pod cannot be launched: sshd is not installed",
      gpus: [],
    });
    expect(await world.rows("allocations")).toEqual([]);
    expect(world.driver.pods.size).toBe(0);
  });

  test("L-03 a launch that keeps failing is retried visibly and fails at the deadline", async () => {
    world.driver.faults.set("launch", new DriverError("no room on the disk"));
    const id = await world.reserve();
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "preparing",
      last_error: "launching failed: no room on the disk",
    });
    await world.after(60_000);
    const tries = world.driver.calls.filter((c) => c.startsWith("launch")).length;
    expect(tries).toBeGreaterThanOrEqual(2);
    await world.after(240_000);
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: "not ready in time: launching failed: no room on the disk",
    });
  });

  test("L-03 what waits too long fails", async () => {
    world.driver.faults.set("terminate", new DriverError("stuck"));
    await world.reserve({ gpu_count: 8, duration_s: 24 * 3600 });
    // Once it is active its end is known: before, the estimate has 5 min to prepare in it.
    await world.after(0);
    const late = await world.reserve({ gpu_count: 8 });
    const deadline = async () =>
      Date.parse((await world.rows("reservations")).find((r) => r.id === late)?.queue_deadline ?? "");
    // The start that was promised, after 24 h, 1 min to clear and 1 min of patience, and 48 h more.
    expect(await deadline()).toBe(world.clock.now().getTime() + (24 + 48) * 3_600_000 + 2 * 60_000);
    // What cannot be taken away is waited for, until nobody can tell any more; the last promise counts.
    await world.after(24 * 3_600_000);
    await world.after(20 * 60_000);
    expect(await world.show(late)).toMatchObject({ latest_start_at: null });
    await world.after((await deadline()) - world.clock.now().getTime() - 1);
    expect((await world.show(late)).state).toBe("queued");
    await world.after(1);
    expect(await world.show(late)).toMatchObject({
      state: "failed",
      reason: "no h100 became free in the time that it may wait",
    });
    world.driver.faults.clear();
  });

  test("L-03 what waits for something that is not offered any more fails; what runs goes on", async () => {
    const running = [await world.reserve({ gpu_type: "cpu" }), await world.reserve({ gpu_type: "cpu" })];
    const waits = await world.reserve({ gpu_type: "cpu" });
    await world.after(0);
    world.driver.nodes = world.driver.nodes.filter((n) => n.gpuType === "h100");
    await world.after(61_000);
    for (const id of running) expect((await world.show(id)).state).toBe("active");
    expect((await world.show(waits)).state).toBe("queued");
    for (const id of running) await cancelReservation(world.core, world.ann, id);
    await world.after(0);
    await world.after(61_000);
    await world.after(61_000);
    expect(await world.show(waits)).toMatchObject({
      state: "failed",
      reason: "nothing offers cpu any more",
      attempt: 0,
    });
  });

  test("L-11 a pod that died is noticed within 30 s, and an error of the driver is never 'gone'", async () => {
    const dies = await world.reserve();
    const vanishes = await world.reserve();
    const unknown = await world.reserve();
    await world.after(0);
    world.driver.before = async (verb, name) => {
      if (verb === "inspect" && name.startsWith(unknown)) throw new DriverError("the node does not answer");
    };
    const pod = world.driver.pods.get(`${dies}-1`);
    if (pod) pod.view = { state: "dead", reason: "killed by signal 9" };
    world.driver.pods.delete(`${vanishes}-1`);
    for (let s = 0; s < 30; s += 5) await world.after(5000);
    expect(await world.show(dies)).toMatchObject({
      state: "failed",
      reason: "the pod died: killed by signal 9",
    });
    expect(await world.show(vanishes)).toMatchObject({ state: "failed", reason: "the pod is gone" });
    for (let s = 0; s < 300; s += 10) await world.after(10_000);
    expect(await world.show(unknown)).toMatchObject({
      state: "active",
      last_error: "the driver could not be asked: the node does not answer",
    });
    world.driver.before = undefined;
    await world.after(10_000);
    expect(await world.show(unknown)).toMatchObject({ state: "active", last_error: null });
    const told = world.logs.filter((l) => l.fields.reservation_id === unknown).map((l) => l.message);
    expect(told).toEqual(["reservation is in trouble", "reservation is out of trouble"]);
  });

  test("L-12 a ghost is failed only after a grace, which starts again when it was seen meanwhile", async () => {
    const id = await world.reserve();
    await world.after(0);
    const pod = world.driver.pods.get(`${id}-1`);
    world.driver.pods.clear();
    await world.after(8000);
    if (pod) world.driver.pods.set(`${id}-1`, pod);
    await world.after(8000);
    world.driver.pods.clear();
    await world.after(8000);
    expect(await world.show(id)).toMatchObject({
      state: "active",
      last_error: "the driver knows no such pod",
    });
    await world.after(10_000);
    expect((await world.show(id)).state).toBe("failed");
  });

  test("L-12 L-13 orphans go after a grace; live pods, foreign names and data stay", async () => {
    const id = await world.reserve();
    await world.after(0);
    const [live] = world.driver.pods.values();
    if (!live) throw new Error("no pod");
    const orphan = `${"a".repeat(20)}-1`;
    for (const name of [orphan, `${id}-2`, "somebody-elses"]) world.driver.pods.set(name, live);
    await world.after(61_000);
    expect(world.driver.pods.has(orphan)).toBe(true);
    await world.after(61_000);
    expect([...world.driver.pods.keys()].toSorted()).toEqual([`${id}-1`, "somebody-elses"].toSorted());
    await world.after(61_000);
    expect(world.logs.filter((l) => l.fields.pod === "somebody-elses")).toHaveLength(1);
  });

  test("L-14 destroying is retried until confirmed, visibly, while the GPUs stay held", async () => {
    const id = await world.reserve({ gpu_count: 8 });
    const next = await world.reserve({ gpu_count: 1 });
    await world.after(0);
    world.driver.faults.set("terminate", new DriverError("device busy"));
    expect((await cancelReservation(world.core, world.ann, id)).state).toBe("ending");
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "ending",
      last_error: "taking the pod away failed: device busy",
    });
    for (let i = 0; i < 40; i++) await world.after(30_000);
    expect(await world.rows("allocations")).toHaveLength(8);
    expect((await world.show(next)).state).toBe("queued");
    const tries = world.driver.calls.filter((c) => c === `terminate ${id}-1`).length;
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(60);
    world.driver.faults.clear();
    await world.after(61_000);
    expect((await world.show(id)).state).toBe("cancelled");
    expect((await world.show(next)).state).toBe("active");
  });

  test("L-19 while the login fails, its cause and the number of tries are visible; then it becomes active", async () => {
    world.probe = { ok: false, cause: "key rejected", detail: "sshd did not accept the key" };
    const id = await world.reserve();
    await world.after(0);
    await world.after(100);
    await world.after(100);
    const seen = await world.show(id);
    expect(seen.state).toBe("preparing");
    expect(seen.ssh_attempts).toBeGreaterThanOrEqual(2);
    expect(seen.last_error).toBe("ssh: key rejected (sshd did not accept the key)");
    expect(seen.version).toBe(2);
    world.probe = { ok: true };
    await world.after(1000);
    expect(await world.show(id)).toMatchObject({ state: "active", last_error: null });
  });

  test("L-05 a server that ends between the pod's last change and the row's proves the login again", async () => {
    const probeKey = async (id: string) =>
      (await world.rows("secrets")).find((s) => s.reservation_id === id)?.probe_public ?? "";
    const accepted = new Set<string>();
    const { update } = world.driver;
    world.driver.update = async (name, change) => {
      await update(name, change);
      for (const key of accepted) if (!change.authorizedKeys?.join().includes(key)) accepted.delete(key);
      for (const line of change.authorizedKeys ?? []) accepted.add(line.split(" ").slice(-2).join(" "));
    };
    world.driver.before = async (verb) => {
      if (verb !== "update") return;
      world.driver.before = undefined;
      // The pod is changed, and the row cannot be written: as good as killed there.
      vi.spyOn(world.core.store, "write").mockRejectedValueOnce(new Problem("unavailable", "away"));
    };
    const id = await world.reserve();
    accepted.add(await probeKey(id));
    world.probeWith = async () =>
      accepted.has(await probeKey(id))
        ? { ok: true }
        : { ok: false, cause: "key rejected", detail: "sshd did not accept the key" };
    await world.after(0);
    expect((await world.show(id)).state).toBe("preparing");
    await world.after(10_000);
    await world.after(5000);
    expect((await world.show(id)).state).toBe("active");
    expect(accepted).not.toContain(await probeKey(id));
  });

  test("a node that is lost before the pod is ready puts the reservation back into the queue", async () => {
    world.driver.launched = { state: "starting", reason: "booting" };
    const id = await world.reserve();
    await world.after(0);
    world.driver.nodes = world.driver.nodes.map((n) => ({ ...n, healthy: false }));
    await world.after(61_000);
    await world.after(10_000);
    expect(await world.show(id)).toMatchObject({ state: "queued", node: null, gpus: [] });
    world.driver.nodes = world.driver.nodes.map((n) => ({ ...n, node: "node-2", healthy: true }));
    world.driver.launched = { state: "running" };
    await world.after(61_000);
    expect(await world.show(id)).toMatchObject({ state: "active", node: "node-2", attempt: 2 });
    await world.after(61_000);
    await world.after(61_000);
    expect([...world.driver.pods.keys()]).toEqual([`${id}-2`]);
  });

  /** One whose node was lost before its pod was there, and cannot be told to take that away. */
  async function reserveAndLose() {
    world.driver.launched = { state: "starting", reason: "booting" };
    const id = await world.reserve({ gpu_count: 8 });
    await world.after(0);
    const healthy = (is: boolean) => {
      world.driver.nodes = world.driver.nodes.map((n) => ({ ...n, healthy: is }));
    };
    healthy(false);
    world.driver.faults.set("terminate", new DriverError("no route to the node"));
    await world.after(61_000);
    await world.after(10_000);
    return { id, comeBack: () => healthy(true) };
  }

  test("S-01 L-12 a node that is lost and comes back gets nothing new before what was given up there is gone", async () => {
    const { id, comeBack } = await reserveAndLose();
    expect((await world.show(id)).state).toBe("queued");
    expect([...world.driver.pods.keys()]).toEqual([`${id}-1`]);
    comeBack();
    world.driver.faults.clear();
    const beside: string[] = [];
    world.driver.before = async (verb) => {
      if (verb === "launch") beside.push(...world.driver.pods.keys());
    };
    await world.after(61_000);
    expect(await world.show(id)).toMatchObject({ state: "preparing", attempt: 2 });
    expect([[...world.driver.pods.keys()], beside]).toEqual([[`${id}-2`], []]);
  });

  test("S-01 L-12 neither does it while that cannot be taken away, nor at the start of a server", async () => {
    const { id, comeBack } = await reserveAndLose();
    comeBack();
    await world.after(61_000);
    expect(await world.show(id)).toMatchObject({ state: "queued", attempt: 1 });
    await world.reconciler.stop();
    const next = await worldOn(world.core.store, world.clock, world.driver);
    onTestFinished(() => next.reconciler.stop());
    next.reconciler.start();
    await next.after(0);
    expect(await next.show(id)).toMatchObject({ state: "queued", attempt: 1 });
    expect([...world.driver.pods.keys()]).toEqual([`${id}-1`]);
    world.driver.faults.clear();
    await next.after(61_000);
    expect(await next.show(id)).toMatchObject({ state: "preparing", attempt: 2 });
    expect([...world.driver.pods.keys()]).toEqual([`${id}-2`]);
  });
});
