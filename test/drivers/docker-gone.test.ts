/** A Docker host that nobody reaches any more is given up, and comes back all the same, with a pod that runs. */
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { getDisk } from "../../src/core/disks/listing.ts";
import { createDisk } from "../../src/core/disks/requests.ts";
import { forgetNode } from "../../src/core/gpus/forget.ts";
import { openStore } from "../../src/store/db.ts";
import { worldOn } from "../core/world.ts";
import { createClock } from "../helpers/clock.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { DockerRig } from "./docker-rig.ts";

const PATIENCE = { timeout: 150_000, interval: 50 };

describe.skipIf(noDockerEngine())("a Docker host that is gone for good", () => {
  test("L-12 L-14 S-01 D-11 gives up what it held; when it comes back its pod goes first, and its disk is there", async () => {
    const engine = await DockerEngine.start({ gpus: false });
    onTestFinished(() => engine.stop());
    const hosts = [{ name: "gone", url: engine.url }];
    const rig = await DockerRig.make(engine, { hosts, image: await engine.image("busybox") });
    const clock = createClock();
    const store = await openStore({ url: `sqlite:${join(rig.options.dataDir, "test.db")}`, clock });
    const driver = await rig.open();
    const world = await worldOn(store, clock, driver, driver.disks ? { disks: driver.disks } : {});
    const { core, ann, reconciler } = world;
    onTestFinished(async () => {
      await reconciler.stop();
      await driver.close();
      await core.tokenUses.written();
      await store.close();
      await rig.close();
    });
    reconciler.start();
    const until = <T>(wanted: T, look: () => Promise<T>, ms = 1000) =>
      expect.poll(() => world.after(ms).then(look), PATIENCE).toBe(wanted);
    const stateOf = (id: string) => async () => (await world.show(id)).state;

    const { disk_id: disk } = (await createDisk(core, ann, { name: "home", node: "gone" })).body;
    const diskState = async () => (await getDisk(core, ann, disk)).state;
    await until("ready", diskState);
    const first = await world.reserve({ disk: "home", duration_s: 48 * 3600 });
    // Slowly, since what is prepared has five minutes, and this machine may be busy.
    await until("active", stateOf(first), 200);
    expect((await world.show(first)).node).toBe("gone");

    await expect(forgetNode(core, ann, "gone")).rejects.toMatchObject({
      code: "node_answers",
      message: expect.stringContaining("node gone answers"),
    });
    const bringBack = await rig.breakAsking();
    const missed = async () => (await world.rows("capacity")).every(({ healthy }) => healthy === 0);
    await until(true, missed, 60_000);
    clock.tick(180_000);
    const losses = await forgetNode(core, ann, "gone");
    expect(losses).toMatchObject({
      configured: true,
      reservations: [{ id: first, state: "active", becomes: "failed" }],
      disks: [{ id: disk, becomes: "lost" }],
    });
    expect(await stateOf(first)()).toBe("failed");
    expect(await diskState()).toBe("lost");
    expect(await world.rows("allocations")).toEqual([]);

    await bringBack();
    expect(await rig.running(`${first}-1`)).toBe(1);
    await until("ready", diskState, 60_000);
    await until(0, async () => (await driver.list()).pods.length, 60_000);
    expect(await rig.running(`${first}-1`)).toBe(0);
  });
});
