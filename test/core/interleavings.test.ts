/**
 * Users, administrators and two servers at once, on one database: every transaction and every call of the driver comes in an order
 * that a seed decides. GPU_DEV_SEED replays one; the soak runs some hundred.
 */
import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { setCordon } from "../../src/core/gpus/nodes.ts";
import { openStore } from "../../src/store/db.ts";
import { createClock } from "../helpers/clock.ts";
import { engines, freshDatabases, type TestDatabase } from "../helpers/engines.ts";
import { createFakeDriver, h100 } from "../helpers/fake-driver.ts";
import { Interleaver } from "../helpers/interleaver.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { type World, worldOn } from "./world.ts";

const LONG = process.env.GPU_DEV_SOAK !== undefined;
const SEEDS = LONG ? { sqlite: 200, postgres: 50 } : { sqlite: 4, postgres: 2 };
const ACTIONS = 8;
const CLIENTS = 4;

afterEach(() => {
  vi.useRealTimers();
});

/** Refusals are answers like any other. */
async function orRefused(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/** What one client does, one thing after the other. */
async function client(world: World, dice: Dice, ids: string[]): Promise<void> {
  for (let i = 0; i < ACTIONS; i++) await orRefused(act(world, dice, ids));
}

async function act(world: World, dice: Dice, ids: string[]): Promise<void> {
  const { core, ann } = world;
  const id = ids[dice.upTo(ids.length)] ?? "";
  switch (dice.one("reserve", "reserve", "reserve", "cancel", "cancel", "extend", "cordon", "later")) {
    case "reserve":
      ids.push(
        await world.reserve({ gpu_count: 1 + dice.upTo(3), ...(dice.upTo(3) === 0 ? { name: "same" } : {}) }),
      );
      break;
    case "cancel":
      await cancelReservation(core, ann, id);
      break;
    case "extend":
      await patchReservation(core, ann, id, { extend_s: 600 });
      break;
    case "cordon":
      await setCordon(core, ann, dice.one("a", "b"), dice.upTo(2) === 0);
      break;
    case "later":
      world.clock.tick(dice.one(100, 10_000, 1_800_000));
      core.signals.emit("wake");
  }
}

/** All of it under one seed; what was done, in order. */
async function run(database: TestDatabase, seed: number): Promise<string[]> {
  const dice = new Dice(seed);
  const interleaver = new Interleaver(dice);
  const clock = createClock();
  const driver = createFakeDriver([h100(2, "a"), h100(2, "b")]);
  driver.before = (verb, name) =>
    interleaver.piece(`driver ${verb} ${name.slice(21)}`, async () => undefined);
  const store = await openStore({ url: database.url, clock });
  const [one, two] = [
    await worldOn(interleaver.store(store, "one"), clock, driver),
    await worldOn(interleaver.store(store, "two"), clock, driver),
  ];
  onTestFinished(async () => {
    await Promise.all([one.reconciler.stop(), two.reconciler.stop()]);
    await store.close();
  });
  const ids: string[] = [];
  await interleaver.run(async () => {
    for (const { reconciler } of [one, two]) reconciler.start();
    await Promise.all(
      Array.from({ length: CLIENTS }, (_, i) => client(i % 2 === 0 ? one : two, new Dice(seed + i + 1), ids)),
    );
  });
  await endAll(one, two);
  await judge(one, driver.pods.size);
  expect([...one.logs, ...two.logs].filter(({ level }) => level === "error")).toEqual([]);
  return interleaver.story;
}

async function endAll(one: World, two: World): Promise<void> {
  vi.useRealTimers();
  for (const node of ["a", "b"]) await setCordon(one.core, one.ann, node, false);
  // Both servers go on meanwhile: it may have ended by itself.
  for (const { id, ended_at } of await one.rows("reservations"))
    if (ended_at === null) await orRefused(cancelReservation(one.core, one.ann, id));
  for (let i = 0; i < 3; i++) {
    await one.after(60_000);
    await two.after(1000);
  }
}

/** Everything is over, once, with a history without a gap, and nothing is held. */
async function judge(world: World, pods: number): Promise<void> {
  const reservations = await world.rows("reservations");
  const events = Map.groupBy(await world.rows("events"), (event) => event.reservation_id);
  for (const { id, version, state } of reservations) {
    const own = (events.get(id) ?? []).toSorted((a, b) => a.version - b.version);
    expect(own.map((event) => event.version)).toEqual(Array.from({ length: version }, (_, i) => i + 1));
    expect(own.filter((event) => event.type === state)).toHaveLength(1);
    expect(["expired", "cancelled", "failed"]).toContain(state);
  }
  expect(reservations.length).toBeGreaterThan(0);
  expect([await world.rows("allocations"), await world.rows("secrets"), pods]).toEqual([[], [], 0]);
}

describe.each(engines)("interleavings on $engine", ({ create, engine }) => {
  const fresh = freshDatabases(create);
  const first = LONG ? chosenSeed() : 13;
  // SQLite answers at once, so that without timers nothing but the seed decides; PostgreSQL needs its timers.
  const standStill = () =>
    engine === "sqlite" &&
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });

  test.each(Array.from({ length: SEEDS[engine] }, (_, i) => first + i))(
    "B-13 seed %s: whoever comes between whom, all ends once, without a gap, and nothing is left",
    { timeout: 600_000 },
    async (seed) => {
      standStill();
      const story = await run(await fresh(), seed);
      expect(story.length).toBeGreaterThan(50);
    },
  );

  test.runIf(engine === "sqlite")("B-13 a seed replays: the same pieces in the same order", async () => {
    standStill();
    const once = await run(await fresh(), first);
    standStill();
    expect(await run(await fresh(), first)).toEqual(once);
  });
});
