import { beforeEach, describe, expect, test } from "vitest";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { setCordon } from "../../src/core/gpus/nodes.ts";
import { wanted } from "../../src/core/lifecycle.ts";
import { reasonOf } from "../../src/core/plan/reason.ts";
import { forecastReservation } from "../../src/core/planning/forecast.ts";
import { makePlan, plannedOf } from "../../src/core/planning/planning.ts";
import { tell } from "../../src/core/planning/promises.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

const HOUR = 3600;

describe.each(engines)("the kept plan on $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(await fresh());
    world.driver.nodes = [h100(2, "node-1"), h100(2, "node-2")];
    await syncCapacity(world.core);
    world.reconciler.start();
    await world.reconciler.idle();
  });

  const board = ({ core }: World) => core.plans.get("h100")?.plan.board;
  const fill = async (): Promise<string> => {
    const first = await world.reserve({ gpu_count: 2 });
    await world.reserve({ gpu_count: 2, duration_s: 2 * HOUR });
    await world.after(0);
    return first;
  };

  /** What is stored of those who wait is what comes out when all is planned anew. */
  async function expectWholePlan(): Promise<void> {
    await world.core.store.read(async (db, now) => {
      const { plan, waiting } = await makePlan(db, "h100", now);
      for (const row of waiting.values())
        expect(row).toMatchObject(
          tell(row, plannedOf(plan, row.id), reasonOf(plan, row.id, wanted(row))).place,
        );
    });
  }

  test("S-03 newcomers, ends and extensions go into the plan that is there", async () => {
    const holder = await fill();
    const kept = board(world);
    const waits = await world.reserve({ gpu_count: 1 });
    const other = await world.reserve({ gpu_count: 2 });
    await patchReservation(world.core, world.ann, holder, { extend_max: true }).catch(() => undefined);
    await expectWholePlan();
    await cancelReservation(world.core, world.ann, other);
    await cancelReservation(world.core, world.ann, holder);
    await world.after(0);
    expect((await world.show(waits)).state).toBe("active");
    await world.reserve({ gpu_count: 2 });
    await expectWholePlan();
    expect(board(world)).toBe(kept);
  });

  test("S-03 S-07 when other nodes are offered or closed, all is planned anew", async () => {
    await fill();
    await world.reserve({ gpu_count: 2 });
    const kept = board(world);
    await setCordon(world.core, world.ann, "node-1", true);
    await world.after(0);
    await expectWholePlan();
    expect(board(world)).not.toBe(kept);
  });

  test("S-03 what was only tried is not kept", async () => {
    await fill();
    const tried = { gpu_type: "h100", gpu_count: 2, duration_s: HOUR };
    const { latest_start_at } = await forecastReservation(world.core, world.ann, tried);
    await expectWholePlan();
    const id = await world.reserve(tried);
    expect((await world.show(id)).latest_start_at).toBe(latest_start_at);
    await expectWholePlan();
  });

  test("L-16 S-03 two servers that plan in turn have one plan", async () => {
    const holder = await fill();
    const other = await worldOn(world.core.store, world.clock, world.driver);
    const first = await world.reserve({ gpu_count: 1 });
    for (const server of [other, world, other]) await server.reserve({ gpu_count: 2 });
    await expectWholePlan();
    const theirs = board(other);
    await cancelReservation(world.core, world.ann, holder);
    await world.after(0);
    await other.reserve({ gpu_count: 1 });
    await expectWholePlan();
    expect(board(other)).not.toBe(theirs);
    expect((await world.show(first)).state).toBe("active");
  });

  test("S-03 one that was placed and lost its node before it was ready waits again", async () => {
    world.probe = { ok: false, cause: "refused", detail: "nothing listens" };
    const lost = await world.reserve({ gpu_count: 2 });
    const stays = await world.reserve({ gpu_count: 2 });
    await world.after(0);
    const gone = (await world.show(lost)).node;
    world.driver.nodes = world.driver.nodes.filter(({ node }) => node !== gone);
    world.clock.tick(1);
    await syncCapacity(world.core);
    await world.after(60_000);
    expect((await world.show(lost)).state).toBe("queued");
    expect((await world.show(stays)).state).toBe("preparing");
    await expectWholePlan();
  });
});
