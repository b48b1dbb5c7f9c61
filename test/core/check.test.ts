import { beforeEach, describe, expect, test } from "vitest";
import { checkDeployment } from "../../src/core/check.ts";
import { newId } from "../../src/core/ids.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { cpu, h100 } from "../helpers/fake-driver.ts";
import { type DiskWorld, makeDiskWorld } from "./disk-world.ts";

describe.each(engines)("B-11 the check on $engine", ({ create }) => {
  let world: DiskWorld;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeDiskWorld(await fresh());
    await world.reconciler.idle();
  });

  const check = (ms?: number) => checkDeployment(world.core, world.ann, ms);
  const found = async () =>
    (await check()).parts.flatMap(({ part, differences }) =>
      differences.map(({ kind, id }) => `${part}: ${kind} ${id}`),
    );
  /** All that there is, to see that nothing of it is changed. */
  const everything = async () => ({
    pods: [...world.driver.pods.keys()],
    disks: [...world.disks.disks.keys()],
    snapshots: [...world.disks.snapshots.keys()],
    halfMade: world.disks.halfMade,
    reservations: await world.rows("reservations"),
    allocations: await world.rows("allocations"),
    rows: await world.rows("disks"),
    audit: await world.rows("audit"),
  });

  test("B-11 all that is as it should be is no difference: what runs, waits, is kept, and is over", async () => {
    const home = await world.disk("home", { "a.txt": "1" });
    await world.use(home);
    await world.disk("other");
    await world.reserve({ gpu_count: 4, disk: home });
    await world.reserve({ gpu_type: "cpu" });
    await world.after(0);
    await world.reserve({ gpu_count: 8 });
    expect(await check()).toEqual({
      checked_at: world.clock.now().toISOString(),
      status: "ok",
      parts: ["allocations", "pods", "disks"].map((part) => ({
        part,
        status: "ok",
        error: null,
        differences: [],
      })),
    });
  });

  test("B-11 each difference is told, and nothing is changed", async () => {
    const home = await world.disk("home");
    await world.use(home);
    const [gone, cut] = [await world.reserve({ gpu_count: 2 }), await world.reserve({ gpu_type: "cpu" })];
    await world.after(0);
    await world.reconciler.stop();
    const [orphan, stray, lost] = [`${newId()}-1`, newId(), newId()];
    const pod = world.driver.pods.get(`${cut}-1`);
    if (pod) for (const name of [orphan, "what-is-this"]) world.driver.pods.set(name, pod);
    world.driver.pods.delete(`${gone}-1`);
    world.driver.nodes = [h100(1), cpu(2)];
    world.disks.disks.set(stray, new Map());
    world.disks.snapshots.set(lost, new Map());
    world.disks.halfMade = ["half"];
    const [volume = ""] = (await world.rows("disks")).map((row) => row.volume);
    world.disks.disks.delete(volume);
    const [snapshot = ""] = (await world.rows("snapshots")).map((row) => row.id);
    world.disks.snapshots.delete(snapshot);
    await world.core.store.write(async (tx) => {
      await tx.db.deleteFrom("allocations").where("reservation_id", "=", cut).execute();
    });
    const before = await everything();
    expect(await found()).toEqual([
      "allocations: unoffered_gpu node-1",
      `allocations: miscounted_gpus ${cut}`,
      `pods: missing_pod ${gone}-1`,
      `pods: orphan_pod ${orphan}`,
      "pods: unknown_pod what-is-this",
      `disks: stray_disk ${stray}`,
      `disks: stray_snapshot ${lost}`,
      `disks: missing_disk ${volume}`,
      `disks: missing_snapshot ${snapshot}`,
      "disks: half_made_disk half",
    ]);
    expect((await check()).status).toBe("differences");
    expect(await everything()).toEqual(before);
  });

  test("B-11 what cannot be asked is said, and is not the same as no differences", async () => {
    await world.reserve();
    await world.after(0);
    world.driver.faults.set("list", new DriverError("the socket is gone"));
    const partly = await check();
    expect(partly.status).toBe("unknown");
    expect(partly.parts).toMatchObject([
      { part: "allocations", status: "ok" },
      { part: "pods", status: "unknown", error: "the socket is gone", differences: [] },
      { part: "disks", status: "ok" },
    ]);
    world.driver.faults.clear();
    world.disks.faults.set("list", new Error("EIO: i/o error, scandir '/secret/place'"));
    expect((await check()).parts[2]).toMatchObject({
      status: "unknown",
      error: "it failed; the server's log says how",
    });
    const never = Promise.withResolvers<void>();
    world.driver.before = (verb) => (verb === "capacity" ? never.promise : Promise.resolve());
    expect((await check(20)).parts[0]).toMatchObject({
      status: "unknown",
      error: "capacity: no answer within 0.02 s",
    });
    never.resolve();
    await expect(checkDeployment(world.core, world.bob)).rejects.toMatchObject({ code: "not_allowed" });
  });

  test("B-11 a host that could not be asked is named: what may be there is unknown, and what is elsewhere is told", async () => {
    const [away, here] = [await world.reserve(), await world.reserve()];
    await world.after(0);
    await world.reconciler.stop();
    const pod = world.driver.pods.get(`${here}-1`);
    for (const id of [away, here]) world.driver.pods.delete(`${id}-1`);
    world.driver.unasked = [{ host: "box-2", why: "no answer in time" }];
    world.driver.before = async (verb, name) => {
      if (verb === "inspect" && name === `${away}-1`) throw new DriverError("box-2: no answer in time");
    };
    const words = "host box-2 could not be asked: no answer in time";
    expect((await check()).parts[1]).toMatchObject({
      status: "differences",
      error: words,
      differences: [{ kind: "missing_pod", id: `${here}-1` }],
    });
    if (pod) world.driver.pods.set(`${here}-1`, pod);
    const partly = await check();
    expect(partly.parts[1]).toMatchObject({ status: "unknown", error: words, differences: [] });
    expect(partly.status).toBe("unknown");
    // What such a host has is not known either.
    world.driver.nodes = [{ ...h100(1), healthy: false, fault: "no answer in time" }, cpu(2)];
    expect((await check()).parts[0]).toMatchObject({
      status: "unknown",
      error: "host node-1 could not be asked: no answer in time",
      differences: [],
    });
  });

  test("B-11 what nothing names and nobody can read is told all the same", async () => {
    const stray = newId();
    world.disks.disks.set(stray, new Map());
    world.disks.faults.set("measure", new DriverError("it has no home"));
    expect(await found()).toEqual([`disks: stray_disk ${stray}`]);
  });

  test("B-11 a pod that goes, or comes, while it is looked at is no difference", async () => {
    const id = await world.reserve();
    await world.after(0);
    const pod = world.driver.pods.get(`${id}-1`);
    const orphan = `${newId()}-1`;
    if (!pod) throw new Error("there is no pod");
    world.driver.pods.set(orphan, pod);
    world.driver.pods.delete(`${id}-1`);
    world.driver.before = async (verb, name) => {
      if (verb !== "inspect") return;
      // It was listed, and has been taken away since; the other one was not, and is there.
      if (name === orphan) world.driver.pods.delete(orphan);
      world.driver.pods.set(`${id}-1`, pod);
    };
    expect((await check()).parts[1]).toMatchObject({ part: "pods", status: "ok" });
  });
});
