import { describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import { listAvailability, syncCapacity } from "../../src/core/gpus/inventory.ts";
import { setCordon } from "../../src/core/gpus/nodes.ts";
import { listReservations } from "../../src/core/listing.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { cpu, createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { Dice } from "../helpers/random.ts";
import { makeRunningWorld, type World } from "./world.ts";

const NODES = ["a", "b"] as const;
const STEPS = 60;

/** One thing that somebody does, or that happens. */
async function step(world: World, dice: Dice): Promise<void> {
  const live = (await listReservations(world.core, world.ann, {})).items;
  const node = dice.one(...NODES);
  switch (dice.one("reserve", "reserve", "reserve", "cancel", "cordon", "sick", "later")) {
    case "reserve":
      await world.reserve(
        dice.upTo(3) === 0 ? { gpu_type: "cpu", gpu_count: 0 } : { gpu_count: 1 + dice.upTo(4) },
      );
      break;
    case "cancel": {
      const victim = live[dice.upTo(live.length)];
      if (victim) await cancelReservation(world.core, world.ann, victim.id);
      break;
    }
    case "cordon":
      await setCordon(world.core, world.ann, node, dice.upTo(2) === 0);
      break;
    case "sick":
      world.driver.nodes = world.driver.nodes.map((one) =>
        one.node === node ? { ...one, healthy: !one.healthy } : one,
      );
      await syncCapacity(world.core);
      break;
    case "later":
      world.clock.tick(20 * 60_000);
  }
  await world.after(0);
}

describe.each(engines)("counts on $engine", ({ create }) => {
  const fresh = freshDatabases(create);

  test("C-28 whatever happens, total = free + used + unavailable by type, and what is used is what reservations show", async () => {
    const driver = createFakeDriver([h100(4, "a"), h100(4, "b"), cpu(3, "a")]);
    const world = await makeRunningWorld(await fresh(), { driver });
    const dice = new Dice(28);
    for (let i = 0; i < STEPS; i++) {
      await step(world, dice);
      const { items: live } = await listReservations(world.core, world.ann, {});
      for (const type of (await listAvailability(world.core)).items) {
        const held = live
          .filter((r) => r.gpu_type === type.gpu_type)
          .flatMap((r) => r.nodes.map(({ gpus }) => Math.max(1, gpus.length)));
        const told = { sum: type.free + type.used + type.unavailable, used: type.used };
        const shown = { sum: type.total, used: held.reduce((sum, n) => sum + n, 0) };
        expect({ step: i, type: type.gpu_type, ...told }).toEqual({ step: i, type: type.gpu_type, ...shown });
        expect(Math.min(type.free, type.used, type.unavailable)).toBeGreaterThanOrEqual(0);
        expect(type.queued).toBe(
          live.filter((r) => r.gpu_type === type.gpu_type && r.state === "queued").length,
        );
      }
    }
  });
});
