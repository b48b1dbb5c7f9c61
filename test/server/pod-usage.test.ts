/** What a reservation's pods use, by the route. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { authenticate } from "../../src/core/people/access.ts";
import { readUsage } from "../../src/core/pods/usage.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

describe.each(engines)("what a reservation uses, on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let id: string;
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
  });
  afterEach(() => rig.close());

  async function reserve(input: object = {}, nodes = [{ ...h100(1), simulated: false }]): Promise<void> {
    rig.driver.nodes = nodes;
    await syncCapacity(rig.core);
    const body = { gpu_type: "h100", duration_s: 3600, ...input };
    id = (await alice.api.createReservation({ body })).id;
    await rig.settle();
  }
  /** Two looks without a pause between them: what the driver in memory tells depends on their number alone. */
  const usage = async (who = alice) => readUsage(rig.core, await authenticate(rig.core, who.token), id, 0);

  test("two looks make rates of what the driver counts", async () => {
    await reserve();
    expect(await usage()).toEqual({
      id,
      name: null,
      at: rig.clock.now().toISOString(),
      nodes: [
        {
          rank: 0,
          node: "node-1",
          error: null,
          cpu: { used_millicpus: 2500, of_millicpus: 8000 },
          memory: { used_bytes: 2 ** 30, of_bytes: 2 ** 34 },
          gpus: [{ index: 0, busy_percent: 97, used_bytes: 70 * 2 ** 30, of_bytes: 80 * 2 ** 30 }],
          network: {
            received_bytes: 1_000_000,
            sent_bytes: 500_000,
            received_bytes_per_s: 1_000_000,
            sent_bytes_per_s: 500_000,
          },
          home: { used_bytes: 10 ** 9, of_bytes: 10 ** 10 },
          unknown: [],
        },
      ],
    });
    expect(rig.driver.calls.filter((call) => call.startsWith("usage"))).toHaveLength(2);
    expect(await alice.api.getUsage({ params: { id } })).toMatchObject({
      nodes: [{ cpu: { used_millicpus: 2500 } }],
    });
  });

  test("C-06 what the driver cannot tell is null with the reason, and simulated GPUs do nothing", async () => {
    rig.driver.used = (look) => ({
      atMs: look * 1000,
      cpu: { usedS: 10 - look, cpus: 4 },
      memory: { unknown: "nobody counts it" },
      network: { receivedBytes: 0, sentBytes: 0 },
      gpus: [],
      home: { usedBytes: 1, totalBytes: 2 },
    });
    await reserve({}, [h100(1)]);
    const [node] = (await usage()).nodes;
    // Less than a moment ago is never a rate below zero.
    expect(node?.cpu).toEqual({ used_millicpus: 0, of_millicpus: 4000 });
    expect(node).toMatchObject({ memory: null, gpus: null, home: { used_bytes: 1, of_bytes: 2 } });
    expect(node?.unknown).toEqual([
      { part: "memory", reason: "nobody counts it" },
      { part: "gpus", reason: "its GPUs are simulated" },
    ]);
  });

  test("of several nodes each is told; one that cannot be asked does not hide the others", async () => {
    await reserve({ gpu_count: 2, multi_node: true }, [h100(1), h100(1, "node-2")]);
    expect((await usage()).nodes.map(({ rank, node }) => ({ rank, node }))).toEqual([
      { rank: 0, node: "node-1" },
      { rank: 1, node: "node-2" },
    ]);
    rig.driver.before = async (verb, name) => {
      if (verb === "usage" && name.endsWith("-1")) throw new DriverError("node-2 is away");
    };
    expect((await usage()).nodes).toMatchObject([
      { rank: 0, error: null, cpu: { used_millicpus: 2500 } },
      { rank: 1, error: "node-2 is away", cpu: null, memory: null, gpus: null, unknown: [] },
    ]);
    rig.driver.before = undefined;
  });

  test("C-04 a driver that cannot be asked is said, never an idle pod", async () => {
    await reserve();
    rig.driver.faults.set("usage", new DriverError("the node is away"));
    const refused = await problemOf(await rig.request(alice, `/v1/reservations/${id}/usage`, {}));
    expect(refused).toMatchObject({ code: "unavailable", retryable: true });
    expect(refused.detail).toContain("the node is away");
  });

  test("one that is not active uses nothing, and says what it is", async () => {
    await reserve();
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    await expect(usage()).rejects.toMatchObject({
      code: "not_active",
      message: expect.stringMatching(/is cancelled/),
    });
  });

  test("A-02 who it is shared with sees it; to others it does not exist", async () => {
    await reserve();
    const bob = await rig.person("bob");
    await expect(usage(bob)).rejects.toMatchObject({ code: "not_found" });
    const answer = await rig.request(bob, `/v1/reservations/${id}/usage`, {});
    expect((await problemOf(answer)).code).toBe("not_found");
    await alice.api.patchReservation({ params: { id }, body: { add_users: ["bob"] } });
    expect((await usage(bob)).nodes).toHaveLength(1);
  });
});
