/** A host that is gone for good: what is given up with it, what its owners are told, and what happens should it come back. */
import { beforeEach, describe, expect, test } from "vitest";
import { checkDeployment } from "../../src/core/check.ts";
import { deleteDisk, patchDisk, undeleteDisk } from "../../src/core/disks/changes.ts";
import { listContents } from "../../src/core/disks/contents.ts";
import { getDisk, getOperation } from "../../src/core/disks/listing.ts";
import { cloneDisk, createDisk, createSnapshot, restoreDisk } from "../../src/core/disks/requests.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { foreseeLosses, forgetNode } from "../../src/core/gpus/forget.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { listNodes, setCordon } from "../../src/core/gpus/nodes.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { type BoxWorld, makeBoxWorld } from "./boxes.ts";

const MINUTES = 60_000;
const DAYS = 86_400_000;

describe.each(engines)("a host that is gone for good, $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: BoxWorld;
  beforeEach(async () => {
    world = await makeBoxWorld(await fresh());
    world.reconciler.start();
  });
  const disk = async (name: string, caller = world.ann) => {
    const { body } = await createDisk(world.core, caller, { name, node: "box2" });
    await world.after(0);
    return body.disk_id;
  };
  const active = async (given: Parameters<BoxWorld["reserve"]>[0], caller = world.ann) => {
    const id = await world.reserve(given, caller);
    await world.after(0);
    expect(await world.show(id, caller)).toMatchObject({ state: "active" });
    return id;
  };
  const shown = (id: string, caller = world.ann) => getDisk(world.core, caller, id);
  const foresee = () => foreseeLosses(world.core, world.ann, "box2");
  const forget = () => forgetNode(world.core, world.ann, "box2");
  /** Long enough for it to be missed by everybody. */
  const takeAway = async () => {
    world.takeAway();
    await world.after(MINUTES);
    await world.after(2 * MINUTES);
  };
  const snapshotOf = async (id: string) => {
    await createSnapshot(world.core, world.ann, id, {});
    await world.after(0);
    return (await shown(id)).last_snapshot?.id ?? "";
  };

  test("S-07 L-14 what ran there ends, what waits for a disk there ends, and its disks are lost, with the reason", async () => {
    const [home, other, old] = [await disk("home"), await disk("other", world.bob), await disk("old")];
    const snapshot = await snapshotOf(home);
    await deleteDisk(world.core, world.ann, old);
    const running = await active({ name: "train", disk: "home" });
    const ending = await active({ disk: "other" }, world.bob);
    await world.after(5 * MINUTES);
    await takeAway();
    await cancelReservation(world.core, world.bob, ending);
    await world.after(0);
    expect(await world.show(ending, world.bob)).toMatchObject({ state: "ending" });
    const wanted = {
      node: "box2",
      nodes: ["box2"],
      configured: true,
      reservations: expect.arrayContaining([
        { id: running, name: "train", owner: "ann", state: "active", becomes: "failed" },
        { id: ending, name: null, owner: "bob", state: "ending", becomes: "cancelled" },
      ]),
      disks: expect.arrayContaining([
        expect.objectContaining({ id: home, name: "home", owner: "ann", snapshots: 1, becomes: "lost" }),
        expect.objectContaining({ id: other, name: "other", owner: "bob", snapshots: 0, becomes: "lost" }),
        expect.objectContaining({ id: old, name: "old", becomes: "lost" }),
      ]),
      operations: 0,
    };
    const before = await world.rows("reservations");
    expect(await foresee()).toEqual(wanted);
    expect(await world.rows("reservations")).toEqual(before);
    expect(await forget()).toEqual(wanted);
    expect(await world.rows("allocations")).toEqual([]);
    expect(await world.show(running)).toMatchObject({
      state: "failed",
      reason: "node box2, where it ran, is gone for good, and its disk home with it",
    });
    expect(await world.show(ending, world.bob)).toMatchObject({
      state: "cancelled",
      reason: "cancelled by its owner",
    });
    expect(await shown(home)).toMatchObject({
      state: "lost",
      lost_at: world.clock.now().toISOString(),
      held_by: null,
      operation_id: null,
    });
    const lost = { code: "disk_lost", message: expect.stringContaining("node box2, which is gone for good") };
    await expect(world.reserve({ disk: "home" })).rejects.toMatchObject(lost);
    await expect(createSnapshot(world.core, world.ann, home, {})).rejects.toMatchObject(lost);
    await expect(cloneDisk(world.core, world.ann, home, { name: "copy" })).rejects.toMatchObject(lost);
    await expect(restoreDisk(world.core, world.ann, home, { snapshot, as: "again" })).rejects.toMatchObject(
      lost,
    );
    await expect(listContents(world.core, world.ann, home, {})).rejects.toMatchObject(lost);
    expect(await patchDisk(world.core, world.ann, home, { name: "home-of-before" })).toMatchObject({
      state: "lost",
    });
    const entries = (await world.rows("audit")).map(({ actor, action, subject }) => [actor, action, subject]);
    expect(entries).toContainEqual([world.ann.id, "node.forget", "box2"]);
    expect(entries).toContainEqual([world.ann.id, "disk.lost", home]);
  });

  test("S-03 what waits for a disk there does not wait for ever", async () => {
    await disk("home");
    await active({ gpu_count: 2 }, world.bob);
    const waiting = await world.reserve({ disk: "home" });
    await takeAway();
    expect((await foresee()).reservations).toContainEqual(
      expect.objectContaining({ id: waiting, state: "queued", becomes: "failed" }),
    );
    await forget();
    expect(await world.show(waiting)).toMatchObject({
      state: "failed",
      reason: "node box2, where its disk home was, is gone for good",
    });
  });

  test("L-03 nothing goes on with a lost disk for ever: what was under way fails, and a purge needs nobody", async () => {
    const [busy, deleted, due] = [await disk("busy"), await disk("deleted"), await disk("due")];
    await deleteDisk(world.core, world.ann, due);
    await world.after(29 * DAYS);
    await deleteDisk(world.core, world.ann, deleted);
    await takeAway();
    await world.after(2 * DAYS);
    const { body } = await createSnapshot(world.core, world.ann, busy, {});
    const made = await createDisk(world.core, world.ann, { name: "making", node: "box2" }).catch(
      () => undefined,
    );
    expect(made).toBeUndefined();
    await world.after(0);
    const foreseen = await forget();
    expect(foreseen).toMatchObject({ operations: 2 });
    expect(new Map(foreseen.disks.map(({ name, becomes }) => [name, becomes]))).toEqual(
      new Map([
        ["busy", "lost"],
        ["deleted", "lost"],
        ["due", "gone"],
      ]),
    );
    expect(await getOperation(world.core, world.ann, body.id)).toMatchObject({
      state: "failed",
      error: "node box2 is gone for good",
    });
    await expect(shown(due)).rejects.toMatchObject({ code: "not_found" });
    await expect(undeleteDisk(world.core, world.ann, deleted, {})).resolves.toMatchObject({ state: "lost" });
    await deleteDisk(world.core, world.ann, deleted);
    const asked = world.boxes.box2.calls.filter((call) => call.startsWith("remove")).length;
    await world.after(31 * DAYS);
    await world.after(MINUTES);
    await expect(shown(deleted)).rejects.toMatchObject({ code: "not_found" });
    expect((await world.rows("disk_operations")).filter(({ finished_at }) => finished_at === null)).toEqual(
      [],
    );
    expect(world.boxes.box2.calls.filter((call) => call.startsWith("remove")).length).toBe(asked);
  });

  test("a node that answers, or did a moment ago, is not forgotten, nor by anybody but an administrator", async () => {
    const running = await active({ gpu_count: 2 });
    const refused = (message: string) => ({
      code: "node_answers",
      message: expect.stringContaining(message),
    });
    const node = (await world.show(running)).node ?? "";
    await expect(forgetNode(world.core, world.ann, node)).rejects.toMatchObject(refused("answers"));
    world.takeAway();
    await expect(forget()).rejects.toMatchObject(refused("answered within the last two minutes"));
    await world.after(MINUTES);
    await expect(forget()).rejects.toMatchObject(refused("answered within the last two minutes"));
    await expect(foresee()).rejects.toMatchObject({ code: "node_answers" });
    await expect(forgetNode(world.core, world.bob, "box2")).rejects.toMatchObject({ code: "not_allowed" });
    await expect(foreseeLosses(world.core, world.bob, "box2")).rejects.toMatchObject({ code: "not_allowed" });
    await expect(foreseeLosses(world.core, world.ann, "box3")).rejects.toMatchObject({ code: "not_found" });
    expect(await world.rows("audit")).not.toContainEqual(expect.objectContaining({ action: "node.forget" }));
  });

  test("one that is out of the configuration goes for good, with its cordon, and forgetting it again does nothing", async () => {
    const home = await disk("home");
    await setCordon(world.core, world.ann, "box2", true);
    world.takeAway();
    world.driver.nodes = world.driver.nodes.filter(({ node }) => node !== "box2");
    world.driver.unasked = [];
    (world.boxes.names as string[]).pop();
    await world.after(3 * MINUTES);
    expect(await forget()).toMatchObject({ configured: false, disks: [{ id: home }] });
    expect((await listNodes(world.core, world.ann)).items.map(({ name }) => name)).toEqual(["box1"]);
    expect(await world.rows("cordons")).toEqual([]);
    expect(await forget()).toEqual({
      node: "box2",
      nodes: [],
      configured: false,
      reservations: [],
      disks: [],
      operations: 0,
    });
    const entries = (await world.rows("audit")).filter(({ action }) => action === "node.forget");
    expect(entries.map(({ detail }) => JSON.parse(detail ?? ""))).toEqual([
      { nodes: ["box2"], reservations: 0, disks: 1 },
    ]);
    expect((await checkDeployment(world.core, world.ann)).status).toBe("ok");
  });

  test("S-01 L-12 D-11 one that comes back has its old pods taken away first, and its disks are their owners' again", async () => {
    const home = await disk("home");
    const [volume] = [...world.boxes.box2.disks.values()];
    volume?.set("kept", "text");
    const running = await active({ gpu_count: 2, disk: "home" });
    await takeAway();
    await forget();
    await world.after(0);
    const next = await world.reserve({ gpu_count: 4 }, world.bob);
    const third = await world.reserve({ gpu_count: 2 }, world.bob);
    await world.after(MINUTES);
    expect(await world.show(next, world.bob)).toMatchObject({ state: "active", node: "box1" });
    expect(await world.show(third, world.bob)).toMatchObject({ state: "queued" });
    world.bringBack();
    // Its pod is there still: the GPUs are nobody's before it is gone.
    world.driver.faults.set("terminate", new DriverError("not yet"));
    await world.after(MINUTES);
    expect(await world.show(third, world.bob)).toMatchObject({ state: "queued" });
    expect([...world.driver.pods.keys()]).toContain(`${running}-1`);
    world.driver.faults.clear();
    await world.after(MINUTES);
    await world.after(MINUTES);
    expect([...world.driver.pods.keys()]).not.toContain(`${running}-1`);
    expect(await world.show(third, world.bob)).toMatchObject({ state: "active", node: "box2" });
    expect(await shown(home)).toMatchObject({ state: "ready", lost_at: null });
    expect(world.boxes.box2.quarantined.size).toBe(0);
    expect(volume?.get("kept")).toBe("text");
    expect(await world.rows("audit")).toContainEqual(
      expect.objectContaining({ action: "disk.found", subject: home }),
    );
  });

  test("D-11 a lost disk that its owner gave up is put in quarantine when its host comes back", async () => {
    const home = await disk("home");
    await takeAway();
    await forget();
    await deleteDisk(world.core, world.ann, home);
    await world.after(31 * DAYS);
    await world.after(MINUTES);
    await expect(shown(home)).rejects.toMatchObject({ code: "not_found" });
    world.bringBack();
    await syncCapacity(world.core);
    await world.after(MINUTES);
    expect(world.boxes.box2.quarantined.size).toBe(1);
  });
});
