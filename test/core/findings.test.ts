/** What the reconciler finds, and calls that go wrong: counted, in the database where a restart must not lose it. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { createDisk } from "../../src/core/disks/requests.ts";
import { readTotals } from "../../src/core/totals.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDisks } from "../helpers/fake-disks.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

describe.each(engines)("what is found on $engine", ({ create }) => {
  let world: World;
  const disks = createFakeDisks();
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh(), { parts: { disks } });
    world.driver.nodes = [h100(8)];
    world.reconciler.start();
    await world.reconciler.idle();
  });

  const findings = async (of: World = world) => Object.fromEntries((await readTotals(of.core)).findings);

  test("O-02 O-06 pods and nodes that are lost, pods that nobody wants: each is counted once, and stays so", async () => {
    const id = await world.reserve();
    await world.after(0);
    const [pod] = world.driver.pods.values();
    if (!pod) throw new Error("no pod");
    world.driver.pods.set(`${"a".repeat(20)}-1`, pod).set("somebody-elses", pod);
    await world.after(61_000);
    await world.after(61_000);
    await world.after(61_000);
    expect(await findings()).toEqual({ orphan_pod: 1, unknown_pod: 1 });

    world.driver.pods.delete(`${id}-1`);
    for (let i = 0; i < 3; i++) await world.after(10_000);
    expect((await world.show(id)).state).toBe("failed");

    world.driver.launched = { state: "starting", reason: "pulling" };
    const second = await world.reserve();
    await world.after(0);
    expect((await world.show(second)).state).toBe("preparing");
    world.driver.nodes = [{ ...h100(8), healthy: false }];
    await world.after(61_000);
    await world.after(10_000);
    expect((await world.show(second)).state).toBe("queued");
    const all = { orphan_pod: 1, unknown_pod: 1, lost_pod: 1, lost_node: 1 };
    expect(await findings()).toEqual(all);
    const restarted = await worldOn(world.core.store, world.clock, world.driver);
    expect(await findings(restarted)).toEqual(all);
  });

  test("O-02 O-06 D-11 so are data without a row, data half made, and a row without data", async () => {
    disks.disks.set("dstray2345672345672a", new Map());
    disks.halfMade = ["dstray2345672345672b.half"];
    await createDisk(world.core, world.ann, { name: "mine", size_bytes: 2 ** 30 });
    await world.after(0);
    const [row] = await world.rows("disks");
    expect(row?.state).toBe("ready");
    disks.disks.delete(row?.volume ?? "");
    await world.after(61_000);
    expect(await findings()).toEqual({ stray_disk: 1, half_made_disk: 1, missing_disk: 1 });
  });

  test("O-06 first logins in vain are counted by cause in the database", async () => {
    world.probe = { ok: false, cause: "key rejected", detail: "no" };
    await world.reserve();
    await world.after(0);
    world.probe = { ok: false, cause: "timeout", detail: "no" };
    await world.after(10_000);
    world.probe = { ok: true };
    await world.after(10_000);
    const { ssh_attempts } = (await world.rows("reservations"))[0] ?? { ssh_attempts: 0 };
    const { unproved } = await readTotals(world.core);
    expect(unproved.get("key rejected")).toBeGreaterThanOrEqual(1);
    expect(unproved.get("timeout")).toBeGreaterThanOrEqual(1);
    // The last one was not in vain.
    expect([...unproved.values()].reduce((a, b) => a + b)).toBe(ssh_attempts - 1);
  });

  test("O-02 a call that fails is told, a refusal is not, and one that does not answer is late", async () => {
    const faults: string[] = [];
    const called: string[] = [];
    world.core.signals.on("fault", (verb, fault) => faults.push(`${verb} ${fault}`));
    world.core.signals.on("called", (verb) => called.push(verb));
    world.driver.faults.set("launch", new LaunchRefused("never"));
    await expect(world.core.driver.launch({ name: "x" } as never)).rejects.toThrow("never");
    expect([faults, called]).toEqual([[], ["launch"]]);
    world.driver.faults.set("list", new DriverError("away"));
    await expect(world.core.driver.list()).rejects.toThrow("away");
    expect([faults, called]).toEqual([["list failed"], ["launch", "list"]]);
    await expect(world.core.disks?.on(null).measure("nothing")).resolves.toBe("absent");
    expect(called.at(-1)).toBe("disk_measure");

    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const { promise, reject } = Promise.withResolvers<void>();
    world.driver.before = (verb) => (verb === "terminate" ? promise : Promise.resolve());
    const stuck = world.core.driver.terminate("x");
    vi.advanceTimersByTime(30_000);
    expect(faults.at(-1)).toBe("terminate late");
    reject(new DriverError("at last"));
    await expect(stuck).rejects.toThrow("at last");
    vi.useRealTimers();
    expect(faults).toEqual(["list failed", "terminate late"]);
  });

  test("O-07 the age of what is stuck is known", async () => {
    const id = await world.reserve();
    await world.after(0);
    world.driver.faults.set("terminate", new DriverError("stuck"));
    await world.after(3_600_000);
    expect((await world.show(id)).state).toBe("ending");
    await world.after(700_000);
    const { oldest } = await readTotals(world.core);
    expect(Object.fromEntries(oldest)).toEqual({ ending: 700_000 });
  });
});
