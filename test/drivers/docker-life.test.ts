/** Reservations whose pods are containers of a real engine: what befalls those, as the rules take it. */
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { createSshProbe } from "../../src/core/pods/probe.ts";
import type { Driver } from "../../src/drivers/driver.ts";
import { openStore, type Store } from "../../src/store/db.ts";
import { type World, worldOn } from "../core/world.ts";
import { createClock } from "../helpers/clock.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { newId, podSpec } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { makeKey } from "./ssh.ts";

const PATIENCE = { timeout: 60_000 };

describe.skipIf(noDockerEngine())("life on a Docker Engine", () => {
  let engine: DockerEngine;
  let rig: DockerRig;
  let store: Store;
  let world: World<Driver>;
  const repairs: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    engine = await DockerEngine.start({ gpus: false });
  });
  afterAll(() => engine.stop());

  beforeEach(async () => {
    // Another host is away all the time, which is nothing to those of this one.
    const away = {
      name: "away",
      url: `unix://${engine.folder}/away.sock`,
      gpus: [{ type: "a100", count: 1 }],
    };
    rig = await DockerRig.make(engine, { hosts: [{ name: "box", url: engine.url }, away] });
    const { dataDir } = rig.options;
    const clock = createClock();
    store = await openStore({ url: `sqlite:${join(dataDir, "test.db")}`, clock });
    const probe = await createSshProbe(join(dataDir, "probes"));
    world = await worldOn(store, clock, await rig.open(), { probe });
    world.reconciler.start();
    await world.reconciler.idle();
  });
  afterEach(async () => {
    for (const repair of repairs.splice(0)) await repair();
    await world.reconciler.stop();
    for (const name of (await world.driver.list()).pods) await world.driver.terminate(name);
    await world.driver.close();
    await world.core.tokenUses.written();
    await store.close();
    await rig.close();
  });

  const show = (id: string) => world.show(id);
  const held = async () => new Set((await world.rows("allocations")).map((row) => row.reservation_id));
  /** The clock moves on until it is so: slowly, since what is prepared has five minutes, and this machine may be busy. */
  async function until(id: string, state: string, ms = 200): Promise<void> {
    const moved = async () => {
      await world.after(ms);
      return (await show(id)).state;
    };
    await expect.poll(moved, PATIENCE).toBe(state);
  }
  async function active(): Promise<string> {
    const id = await world.reserve({ duration_s: 48 * 3600 });
    await until(id, "active");
    return id;
  }
  /** So many at once. */
  async function allActive(count: number): Promise<string[]> {
    const ids: string[] = [];
    while (ids.length < count) ids.push(await world.reserve({ duration_s: 48 * 3600 }));
    for (const id of ids) await until(id, "active");
    return ids;
  }
  /** Of the nodes, after another look at them. */
  async function healthy(): Promise<Set<number>> {
    await world.after(61_000);
    const nodes = (await world.rows("capacity")).filter(({ node }) => node === "box");
    return new Set(nodes.map(({ healthy }) => healthy));
  }
  const inPod = (id: string, ...words: string[]) => engine.docker("exec", rig.container(`${id}-1`), ...words);

  test("L-11 the clock stands still: pods that were killed, ran out of memory, were stopped, lost their sshd or ended by themselves are noticed, each with its reason", async () => {
    const [killed = "", starved = "", stopped = "", shut = "", ended = "", well = ""] = await allActive(6);
    await rig.kill(`${killed}-1`);
    // The kernel takes the init first, as it does when nothing else is left to take.
    await inPod(starved, "sh", "-c", "echo 1000 >/proc/1/oom_score_adj");
    await engine.docker("update", "--memory", "40m", "--memory-swap", "40m", rig.container(`${starved}-1`));
    await inPod(starved, "sh", "-c", "head -c 300000000 /dev/zero | tr '\\0' x | sort").catch(
      () => undefined,
    );
    await engine.docker("stop", rig.container(`${stopped}-1`));
    await inPod(shut, "sh", "-c", "kill $(cat /run/gpu-dev/sshd.pid)");
    // Its init cannot tell any more when its time is over.
    await inPod(ended, "sh", "-c", "echo nonsense >/run/gpu-dev/deadline");
    const words = {
      [killed]: "its first process was killed, and not for want of memory",
      [starved]: "out of memory",
      [stopped]: "it was told to end, or its Docker Engine was",
      [shut]: "its sshd ended",
      [ended]: "its first process ended with status 1",
    };
    for (const [id, reason] of Object.entries(words)) {
      await expect.poll(async () => (await show(id)).state, PATIENCE).toBe("failed");
      expect((await show(id)).reason).toContain(reason);
    }
    expect((await show(well)).state).toBe("active");
    expect(await held()).toEqual(new Set([well]));
  });

  test("L-11 L-12 a pod whose container somebody took away is gone after a grace, and told so", async () => {
    const [id, well] = [await active(), await active()];
    await engine.docker("rm", "--force", rig.container(`${id}-1`));
    await until(id, "failed", 1000);
    expect((await show(id)).reason).toBe("the pod is gone");
    expect(await held()).toEqual(new Set([well]));
  });

  test.each([
    ["is restarted", () => engine.restart()],
    ["crashes", () => engine.kill().then(() => engine.start())],
  ])("L-11 an engine that %s takes its pods with it, which is told as what it is", async (_, act) => {
    const id = await active();
    await act();
    await until(id, "failed");
    expect((await show(id)).reason).toContain("Docker Engine");
    expect(await held()).toEqual(new Set());
    await active();
  });

  test("L-11 L-14 an engine that is away is said: nothing of a reservation ends, and its GPUs stay held, until it is back", async () => {
    const [id, other] = [await active(), await active()];
    repairs.push(await rig.breakAsking());
    await world.after(8000);
    const away = "the Docker Engine cannot be asked: there is no such socket";
    expect(await show(id)).toMatchObject({ state: "active", last_error: expect.stringContaining(away) });
    await cancelReservation(world.core, world.ann, id);
    await world.after(61_000);
    expect(await show(id)).toMatchObject({ state: "ending", last_error: expect.stringContaining(away) });
    expect(await show(other)).toMatchObject({ state: "active" });
    expect(await held()).toEqual(new Set([id, other]));
    // What it says of itself is good for a moment.
    await expect.poll(healthy, { ...PATIENCE, interval: 200 }).toEqual(new Set([0]));
    await Promise.all(repairs.splice(0).map((repair) => repair()));
    await until(id, "cancelled", 10_000);
    await expect.poll(healthy, { ...PATIENCE, interval: 200 }).toEqual(new Set([1]));
    expect(await show(other)).toMatchObject({ state: "active", last_error: null });
    expect(await held()).toEqual(new Set([other]));
  });

  test("L-12 L-13 a pod of ours that nobody wants goes after a grace; what is not ours, or has an unexpected name, stays", async () => {
    const dir = rig.options.dataDir;
    const [host, user] = [await makeKey(dir, "host"), await makeKey(dir, "user")];
    const orphan = await podSpec(world.driver, host, user);
    await world.driver.launch(orphan);
    const image = await engine.image("busybox");
    const run = (name: string, ...labels: string[]) =>
      engine.docker(
        "run",
        "--detach",
        "--name",
        name,
        ...labels.flatMap((l) => ["--label", l]),
        image,
        "sleep",
        "999",
      );
    const strange = rig.container("strange");
    await run(strange, `gpu-dev.deployment=${rig.options.deploymentId}`, "gpu-dev.pod=strange");
    const foreign = rig.container(`${newId()}-1`);
    await run(foreign, "gpu-dev.deployment=other", `gpu-dev.pod=${newId()}-1`);
    await world.after(61_000);
    expect((await world.driver.list()).pods).toContain(orphan.name);
    await world.after(61_000);
    await world.after(61_000);
    expect((await world.driver.list()).pods).toEqual(["strange"]);
    const messages = world.logs.map(({ message }) => message);
    expect(messages.filter((m) => m === "a pod has an unexpected name; it is left alone")).toHaveLength(1);
    expect((await engine.docker("ps", "--format", "{{.Names}}")).split("\n").sort()).toEqual(
      [strange, foreign].sort(),
    );
    await engine.docker("rm", "--force", strange, foreign);
  });

  test("L-13 a container of somebody else's with the name of a pod is left alone, and said until it goes", async () => {
    await world.reconciler.stop();
    const id = await world.reserve();
    const name = rig.container(`${id}-1`);
    await engine.docker("run", "--detach", "--name", name, await engine.image("busybox"), "sleep", "999");
    world.reconciler.start();
    const said = async () => {
      await world.after(200);
      return (await show(id)).last_error;
    };
    await expect.poll(said, PATIENCE).toContain(`what is called ${name} is no pod of this deployment`);
    expect(await show(id)).toMatchObject({ state: "preparing" });
    expect(await engine.docker("inspect", "-f", "{{.State.Running}}", name)).toBe("true");
    await engine.docker("rm", "--force", name);
    await until(id, "active");
  });
});
