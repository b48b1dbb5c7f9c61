/** Reservations on several nodes: all or nothing, on both engines. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { createReservation } from "../../src/core/create.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { shapeOf } from "../../src/core/gpus/counts.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { admitTunnel } from "../../src/core/people/access.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { viewTogether } from "../../src/core/planning/gang.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { makeRunningWorld, type World, worldOn } from "./world.ts";

const GUARD = { timeout: 60_000, interval: 5 };

describe.each(engines)("a reservation on several nodes on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    const nodes = ["node-1", "node-2", "node-3"].map((node) => h100(8, node));
    world = await makeRunningWorld(database, { driver: createFakeDriver(nodes) });
  });

  const gang = (nodes = 2, given = {}) => world.reserve({ gpu_count: 8 * nodes, multi_node: true, ...given });
  const pods = () => [...world.driver.pods.keys()].toSorted();
  const held = async (id: string) =>
    (await world.rows("allocations"))
      .filter((a) => a.reservation_id === id)
      .map((a) => `${a.node_rank} ${a.node}`);

  test("L-15 it gets whole nodes, a pod on each, and is active when all of them are", async () => {
    let second: "starting" | "running" = "starting";
    world.driver.before = async (verb, name) => {
      const pod = world.driver.pods.get(name);
      if (verb === "inspect" && pod && name.endsWith("-1-1"))
        pod.view = second === "starting" ? { state: "starting", reason: "booting" } : { state: "running" };
    };
    const id = await gang();
    await world.after(0);
    expect(await world.show(id)).toMatchObject({ state: "preparing", gpu_count: 16, node_count: 2 });
    second = "running";
    await world.after(10_000);
    const shown = await world.show(id);
    expect(shown).toMatchObject({ state: "active", node_count: 2, gpus: [0, 1, 2, 3, 4, 5, 6, 7] });
    const nodes = shown.nodes.map((n) => n.node);
    expect(new Set(nodes).size).toBe(2);
    expect(shown.nodes).toEqual([
      { rank: 0, node: nodes[0], gpus: shown.gpus, ssh_host: `${id}.gpu.test` },
      { rank: 1, node: nodes[1], gpus: shown.gpus, ssh_host: `${id}-1.gpu.test` },
    ]);
    expect(pods()).toEqual([`${id}-1-0`, `${id}-1-1`]);
    const specs = pods().map((name) => world.driver.pods.get(name)?.spec);
    const id8 = id.slice(0, 8);
    for (const [rank, spec] of specs.entries())
      expect(spec).toMatchObject({
        node: nodes[rank],
        gang: { rank, size: 2, nodes, hostKey: shown.host_key },
        environment: {
          GPU_DEV_RANK: String(rank),
          GPU_DEV_WORLD_SIZE: "2",
          GPU_DEV_GPU_COUNT: "8",
          GPU_DEV_HOSTS: `gpu-dev-${id8}-0,gpu-dev-${id8}-1`,
          MASTER_ADDR: `gpu-dev-${id8}-0`,
          MASTER_PORT: "29500",
        },
      });
    // The key with which they reach each other stays when the probe's is taken away.
    const [secret] = await world.rows("secrets");
    for (const name of pods())
      expect(world.driver.pods.get(name)?.updates.at(-1)?.authorizedKeys).toContain(secret?.peer_public);
  });

  test("L-15 S-07 it waits until all of its nodes are free, and holds nothing meanwhile", async () => {
    const alone = await Promise.all([world.reserve(), world.reserve({ gpu_count: 8 })]);
    const id = await gang();
    await world.after(0);
    expect((await world.show(id)).state).toBe("queued");
    expect(await held(id)).toEqual([]);
    await cancelReservation(world.core, world.ann, alone[0] ?? "");
    await world.after(0);
    expect((await world.show(id)).state).toBe("active");
    expect((await held(id)).length).toBe(16);
  });

  test("L-15 L-06 one launch that is refused fails all, and nothing is left", async () => {
    const launch = world.driver.launch;
    vi.spyOn(world.driver, "launch").mockImplementation((spec) =>
      spec.gang?.rank === 1 ? Promise.reject(new LaunchRefused("no sshd")) : launch(spec),
    );
    const id = await gang(3);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: "the pod cannot be launched: no sshd",
      nodes: [],
    });
    expect(pods()).toEqual([]);
    expect(await held(id)).toEqual([]);
  });

  test("L-15 L-11 one dead pod ends all, and says which it was", async () => {
    const id = await gang();
    await world.after(0);
    const pod = world.driver.pods.get(`${id}-1-1`);
    if (!pod) throw new Error("no pod");
    pod.view = { state: "dead", reason: "out of memory" };
    await world.after(8000);
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: "the pod died: node 1: out of memory",
    });
    expect(pods()).toEqual([]);
  });

  test("L-15 a login that fails on one node keeps all from being active", async () => {
    world.probe = { ok: false, cause: "refused", detail: "nothing listens" };
    const id = await gang();
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "preparing",
      last_error: "ssh: refused (node 0: nothing listens)",
    });
    world.probe = { ok: true };
    await world.after(10_000);
    expect((await world.show(id)).state).toBe("active");
  });

  test("L-15 L-02 cancelled while only some are launched, all of them go", async () => {
    const { promise: launching, resolve: reached } = Promise.withResolvers<void>();
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    world.driver.before = async (verb, name) => {
      if (verb !== "launch" || !name.endsWith("-1-1")) return;
      reached();
      await released;
    };
    const id = await gang();
    await launching;
    await vi.waitFor(() => expect(pods()).toEqual([`${id}-1-0`]), GUARD);
    await cancelReservation(world.core, world.ann, id);
    release();
    await world.after(0);
    expect((await world.show(id)).state).toBe("cancelled");
    expect(pods()).toEqual([]);
    expect(await held(id)).toEqual([]);
  });

  test("L-15 L-04 a server that ends between two launches leaves the same pods to its successor", async () => {
    const launch = world.driver.launch;
    const spy = vi.spyOn(world.driver, "launch").mockImplementation((spec) =>
      // As a server that died: rank 1 was never asked for, and nobody heard of rank 0.
      spec.gang?.rank === 1 ? Promise.reject(new DriverError("cut off")) : launch(spec),
    );
    const id = await gang();
    await vi.waitFor(async () => expect((await world.show(id)).last_error).toContain("cut off"), GUARD);
    await world.reconciler.stop();
    spy.mockRestore();
    expect(pods()).toEqual([`${id}-1-0`]);
    const next = await worldOn(world.core.store, world.clock, world.driver);
    next.reconciler.start();
    await next.after(20_000);
    expect(await next.show(id)).toMatchObject({ state: "active", attempt: 1 });
    await next.reconciler.stop();
    expect(pods()).toEqual([`${id}-1-0`, `${id}-1-1`]);
  });

  test("L-15 S-07 when one of its nodes is lost before it is ready, all go back to the queue", async () => {
    world.driver.launched = { state: "starting", reason: "booting" };
    const id = await gang();
    await world.after(0);
    const lost = (await world.show(id)).nodes[1]?.node;
    world.driver.nodes = world.driver.nodes.map((n) => ({ ...n, healthy: n.node !== lost }));
    world.clock.tick(1);
    await syncCapacity(world.core);
    world.driver.launched = { state: "running" };
    await world.after(10_000);
    await world.after(10_000);
    const shown = await world.show(id);
    expect(shown).toMatchObject({ state: "active", attempt: 2 });
    expect(shown.nodes.map((n) => n.node)).not.toContain(lost);
    expect(pods()).toEqual([`${id}-2-0`, `${id}-2-1`]);
  });

  test("S-01 L-15 its GPUs on nodes that are well are given back when its pods there are gone, those on a lost one at once", async () => {
    world.driver.launched = { state: "starting", reason: "booting" };
    const id = await gang();
    await world.after(0);
    const [well, lost] = (await world.show(id)).nodes.map((n) => n.node);
    const stuck = { well: true };
    world.driver.before = async (verb, name) => {
      if (verb === "terminate" && (name === `${id}-1-1` || stuck.well))
        throw new DriverError(`${name} stays`);
    };
    world.driver.nodes = world.driver.nodes.map((n) => ({ ...n, healthy: n.node !== lost }));
    world.clock.tick(1);
    await syncCapacity(world.core);
    await world.after(10_000);
    expect(await world.show(id)).toMatchObject({
      state: "preparing",
      attempt: 1,
      last_error: `taking its pods away failed: ${id}-1-0 stays`,
    });
    expect((await held(id)).map((one) => one.split(" ")[1])).toContain(well);
    stuck.well = false;
    await world.after(10_000);
    expect(await world.show(id)).toMatchObject({ state: "preparing", attempt: 2 });
    expect(pods()).toEqual([`${id}-1-1`, `${id}-2-0`, `${id}-2-1`]);
  });

  test("L-08 an extension moves the deadline of every pod", async () => {
    const id = await gang();
    await world.after(0);
    await patchReservation(world.core, world.ann, id, { extend_s: 600 });
    for (const name of pods())
      expect(world.driver.pods.get(name)?.updates.at(-1)).toMatchObject({ deadlineS: 4200 });
  });

  test("T-08 a tunnel leads to the node that it names, and to no other", async () => {
    const id = await gang();
    await world.after(0);
    const { token } = await issueToken(world.core, world.ann.id, { label: "tunnel" });
    const admit = (node: number) => admitTunnel(world.core, token, { reservation: id, node, port: 22 });
    (await (await admit(1)).dial()).destroy();
    expect(world.driver.calls.at(-1)).toBe(`dial ${id}-1-1:22`);
    await expect(admit(2)).rejects.toThrow(`reservation ${id} has nodes 0 to 1`);
    const alone = await world.reserve();
    await world.after(0);
    const other = admitTunnel(world.core, token, { reservation: alone, node: 1, port: 22 });
    await expect(other).rejects.toThrow("has one node, number 0");
  });

  test("S-09 counts that can never be given are refused at once, with those that can", async () => {
    const refusal = (gpu_count: number, multi_node?: boolean) =>
      createReservation(world.core, world.ann, {
        ...{ gpu_type: "h100", duration_s: 3600, gpu_count },
        ...(multi_node === undefined ? {} : { multi_node }),
      }).then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(await refusal(16)).toMatchObject({
      code: "impossible_request",
      message: "gpu_count 16 is not possible: h100 is given 1 to 8 at a time, and with multi_node 16 or 24",
      hint: "ask for several nodes: --multi-node",
    });
    const words = (n: number) =>
      `gpu_count ${n} is not possible: h100 is given 1 to 8 at a time, and on several nodes 16 or 24`;
    for (const n of [9, 12, 32, 0]) expect(await refusal(n, true)).toMatchObject({ message: words(n) });
    expect(await world.rows("reservations")).toEqual([]);
    const small = await world.reserve({ gpu_count: 3, multi_node: true });
    expect(await world.show(small)).toMatchObject({ node_count: 1 });
  });
});

test("S-09 the possible counts are told in a few words, however many there are", () => {
  const type = (full_nodes: number, most = 8) => ({
    ...{ name: "h100", gpus_per_slot: 1, max_gpus_per_node: most, full_nodes },
  });
  const words = (nodes: number, most = 8) => {
    try {
      shapeOf(type(nodes, most), 7777, true);
    } catch (error) {
      return (error as Error).message.replace(/^.* possible: /, "");
    }
    return "possible";
  };
  expect(words(1)).toBe("h100 is given 1 to 8 at a time");
  expect(words(2)).toBe("h100 is given 1 to 8 at a time, and on several nodes 16");
  expect(words(4)).toBe("h100 is given 1 to 8 at a time, and on several nodes 16, 24 or 32");
  expect(words(900)).toBe("h100 is given 1 to 8 at a time, and on several nodes 16, 24, … or 7200");
  expect(words(1, 1)).toBe("h100 is given one at a time");
  expect(shapeOf(type(4), 32, true)).toEqual({ places: 8, node_count: 4 });
});

test("L-15 many views are one: a dead pod, then a missing one, then one that starts", () => {
  const running = { state: "running" } as const;
  const starting = { state: "starting", reason: "booting" } as const;
  const dead = { state: "dead", reason: "killed" } as const;
  expect(viewTogether([running, starting])).toEqual({ state: "starting", reason: "node 1: booting" });
  expect(viewTogether([starting, { state: "absent" }])).toEqual({ state: "absent" });
  expect(viewTogether([{ state: "absent" }, dead])).toEqual({ state: "dead", reason: "node 1: killed" });
  expect(viewTogether([dead])).toEqual(dead);
  const active = (sessions: number, gpuBusy: boolean) => ({ ...running, activity: { sessions, gpuBusy } });
  expect(viewTogether([active(1, false), active(0, true)])).toEqual(active(1, true));
  expect(viewTogether([active(0, false), running])).toEqual({ ...running, activity: undefined });
});
