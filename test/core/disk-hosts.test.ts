/** Disks that are on one host of several: where they are made, and where reservations with them start. */
import { beforeEach, describe, expect, test } from "vitest";
import { checkDeployment } from "../../src/core/check.ts";
import { diagnose } from "../../src/core/diagnostics.ts";
import { listContents } from "../../src/core/disks/contents.ts";
import { getDisk, getOperation } from "../../src/core/disks/listing.ts";
import { cloneDisk, createDisk, createSnapshot, restoreDisk } from "../../src/core/disks/requests.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { setCordon } from "../../src/core/gpus/nodes.ts";
import { forecastReservation } from "../../src/core/planning/forecast.ts";
import { DriverError, HostAway } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type Boxes, type BoxWorld, makeBoxWorld } from "./boxes.ts";

describe.each(engines)("disks on hosts, $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: BoxWorld;
  let boxes: Boxes;
  beforeEach(async () => {
    world = await makeBoxWorld(await fresh());
    boxes = world.boxes;
    world.reconciler.start();
  });
  const make = async (name: string, node?: string) => {
    const { body } = await createDisk(world.core, world.ann, { name, ...(node ? { node } : {}) });
    await world.after(0);
    return body.disk_id;
  };
  const nodeOf = async (id: string) => (await getDisk(world.core, world.ann, id)).node;

  test("a disk is made where the most room is, or where it is wished for, and never where nothing new goes", async () => {
    expect(await nodeOf(await make("roomy"))).toBe("box2");
    expect(await nodeOf(await make("wished", "box1"))).toBe("box1");
    expect([boxes.box1.disks.size, boxes.box2.disks.size]).toEqual([1, 1]);
    await setCordon(world.core, world.ann, "box2", true);
    expect(await nodeOf(await make("drained"))).toBe("box1");
    await expect(make("typo", "box3")).rejects.toMatchObject({
      code: "invalid_input",
      message: 'node: there is no node "box3" with disks; there are: box1, box2',
    });
    await setCordon(world.core, world.ann, "box2", false);
    boxes.box1.faults.set("room", new DriverError("it does not answer"));
    expect(await nodeOf(await make("away"))).toBe("box2");
    await expect(make("there", "box1")).rejects.toMatchObject({
      code: "unavailable",
      message: "no disk can be created now; box1: it does not answer",
    });
  });

  test("a disk is made where nothing is known of the room yet, when there is no better place", async () => {
    const never = new Promise<never>(() => undefined);
    const silent = (verb: string) => (verb === "room" ? never : Promise.resolve());
    boxes.box2.before = silent;
    expect(await nodeOf(await make("known"))).toBe("box1");
    boxes.box1.before = silent;
    expect(await nodeOf(await make("wished", "box2"))).toBe("box2");
  });

  test("A-08 a request that comes again has its first answer, though its host does not answer any more", async () => {
    const ask = () =>
      createDisk(
        world.core,
        world.ann,
        { name: "once", node: "box1" },
        { key: "key-of-once", requestHash: "same" },
      );
    const first = await ask();
    boxes.box1.faults.set("room", new DriverError("it does not answer"));
    expect(await ask()).toEqual({ body: first.body, replayed: true });
  });

  test("clones and restored disks are beside their source, and all that is read is read there", async () => {
    const id = await make("work", "box1");
    const volume = [...boxes.box1.disks.values()][0];
    volume?.set("kept", "text");
    await createSnapshot(world.core, world.ann, id, {});
    await world.after(0);
    const { last_snapshot } = await getDisk(world.core, world.ann, id);
    const snapshot = last_snapshot?.id ?? "";
    const made = [
      await cloneDisk(world.core, world.ann, id, { name: "clone" }),
      await restoreDisk(world.core, world.ann, id, { snapshot, as: "restored" }),
    ];
    await world.after(0);
    for (const { body } of made) {
      expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({ state: "done" });
      expect(await nodeOf(body.new_disk_id ?? "")).toBe("box1");
    }
    expect((await listContents(world.core, world.ann, id, {})).items).toMatchObject([{ name: "kept" }]);
    expect([boxes.box1.disks.size, boxes.box2.disks.size]).toEqual([3, 0]);
  });

  test("D-11 each host is compared with the rows of its own disks", async () => {
    const id = await make("work", "box1");
    boxes.box2.disks.set("dstray2345672345672a", new Map());
    const differences = async () =>
      (await checkDeployment(world.core, world.ann)).parts.flatMap((part) =>
        part.differences.map(({ kind, id: what }) => `${kind} ${what}`),
      );
    expect(await differences()).toEqual(["stray_disk dstray2345672345672a"]);
    const [row] = await world.rows("disks");
    boxes.box2.disks.clear();
    boxes.box1.disks.clear();
    expect(row?.id).toBe(id);
    expect(await differences()).toEqual([`missing_disk ${row?.volume}`]);
  });

  test("D-02 a reservation with a disk starts where the disk is, and says so while it waits", async () => {
    await make("work", "box2");
    const other = await world.reserve({ gpu_count: 2 });
    await world.after(0);
    expect((await world.show(other)).node).toBe("box2");
    const wish = { gpu_type: "h100", duration_s: 3600, gpu_count: 1, disk: "work" };
    const forecast = await forecastReservation(world.core, world.ann, wish);
    expect(forecast).toMatchObject({
      nodes: ["box2"],
      reason: expect.stringContaining("node box2 has 0 of 1 free"),
    });
    const id = await world.reserve({ disk: "work" });
    expect(await world.show(id)).toMatchObject({
      state: "queued",
      reason: expect.stringContaining("waits for 1 h100: node box2 has 0 of 1 free"),
    });
    await setCordon(world.core, world.ann, "box2", true);
    await world.after(0);
    const reason =
      "waits for 1 h100: its disk is on node box2, which is away, takes nothing new, or has too few of them";
    expect(await diagnose(world.core, world.ann, id)).toMatchObject({ reason });
    await setCordon(world.core, world.ann, "box2", false);
    world.driver.nodes = world.driver.nodes.map((node) => ({ ...node, healthy: node.node !== "box2" }));
    await syncCapacity(world.core);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ state: "queued", reason });
    world.driver.nodes = world.driver.nodes.map((node) => ({ ...node, healthy: true }));
    await syncCapacity(world.core);
    await world.after(3 * 3600_000);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ node: "box2" });
  });

  test("what a disk's host never has is refused at once, in words", async () => {
    await make("work", "box2");
    const refused = await world.reserve({ gpu_count: 4, disk: "work" }).catch((error) => error);
    expect(refused).toMatchObject({
      code: "impossible_request",
      message: "disk work is on node box2, which has only 2 h100, not 4, and a disk does not move",
      hint: "reserve without it, or make one there: gpu-dev disk create NAME --node box1",
    });
  });

  test("who wants a disk of one host and a label that only another one has is refused at once", async () => {
    const zones = { box1: "a", box2: "b" };
    world.driver.nodes = world.driver.nodes.map((node) => ({
      ...node,
      labels: { zone: zones[node.node as keyof typeof zones] },
    }));
    await syncCapacity(world.core);
    await make("work", "box2");
    await expect(world.reserve({ disk: "work", node_labels: { zone: "a" } })).rejects.toMatchObject({
      code: "impossible_request",
      message: "disk work is on node box2, which does not have zone=a, and a disk does not move",
      hint: "reserve without it, or make one there: gpu-dev disk create NAME --node box1",
    });
    expect(await world.show(await world.reserve({ disk: "work", node_labels: { zone: "b" } }))).toMatchObject(
      {
        node: "box2",
      },
    );
  });

  test("D-02 a disk that no node can have, since it was made under another driver, is refused at once, in words", async () => {
    const id = await make("work");
    await world.core.store.write(({ db }) =>
      db.updateTable("disks").set({ host: null }).where("id", "=", id).execute(),
    );
    await expect(world.reserve({ disk: "work" })).rejects.toMatchObject({
      code: "impossible_request",
      message: "no node can have disk work: there is no such host",
    });
  });

  test("while a host is away, what is done with its disks is tried again for as long as that lasts, and the others go on", async () => {
    const [first, second] = [await make("first", "box1"), await make("second", "box2")];
    boxes.box1.faults.set("snapshot", new HostAway("the host does not answer"));
    const away = await createSnapshot(world.core, world.ann, first, {});
    const there = await createSnapshot(world.core, world.ann, second, {});
    await world.after(0);
    const show = (id: string) => getOperation(world.core, world.ann, id);
    expect(await show(there.body.id)).toMatchObject({ state: "done" });
    for (let minute = 0; minute < 10; minute++) await world.after(60_000);
    expect(await show(away.body.id)).toMatchObject({ state: "running", error: "the host does not answer" });
    boxes.box1.faults.clear();
    await world.after(5000);
    expect(await show(away.body.id)).toMatchObject({ state: "done" });
  });
});
