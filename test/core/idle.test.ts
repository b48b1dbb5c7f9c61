import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { cancelReservation } from "../../src/core/edit.ts";
import type { TypeSettings } from "../../src/core/gpus/catalogue.ts";
import { listEvents } from "../../src/core/listing.ts";
import { idleAfterS, idleChange, idleEndMs, untilIdleChange } from "../../src/core/pods/idle.ts";
import type { Activity } from "../../src/drivers/driver.ts";
import { engines, type TestDatabase } from "../helpers/engines.ts";
import { makeRunningWorld, makeWorld, type World } from "./world.ts";

const MIN = 60_000;
const IDLE: Activity = { sessions: 0, gpuBusy: false };
const SESSION: Activity = { sessions: 1, gpuBusy: false };
const GPU: Activity = { sessions: 0, gpuBusy: true };

describe("whether a pod is idle", () => {
  const at = new Date("2026-01-05T08:00:00.000Z");
  const ago = (minutes: number | null) =>
    minutes === null ? null : new Date(at.getTime() - minutes * MIN).toISOString();
  const row = (since: number | null, told: number | null = null) => ({
    idle_since: ago(since),
    idle_warned_at: ago(told),
  });

  test.each([
    ["nobody uses it: it begins", row(null), IDLE, 7200, "begins"],
    ["it lasts", row(109), IDLE, 7200, undefined],
    ["it is told ten minutes before", row(110), IDLE, 7200, "told"],
    ["it has been told", row(119, 9), IDLE, 7200, undefined],
    ["it has lasted", row(120, 10), IDLE, 7200, "lasted"],
    ["it was told late, as after a pause of the server", row(600, 9), IDLE, 7200, undefined],
    ["that was long enough ago", row(600, 10), IDLE, 7200, "lasted"],
    ["a short time is told at its half", row(3), IDLE, 300, "told"],
    ["somebody connects", row(119, 9), SESSION, 7200, "over"],
    ["a GPU works", row(119, 9), GPU, 7200, "over"],
    ["nobody can tell", row(500, 400), undefined, 7200, "over"],
    ["nobody can tell, and it was not idle", row(null), undefined, 7200, undefined],
    ["there is no rule any more", row(500, 400), IDLE, undefined, "over"],
    ["there is no rule", row(null), IDLE, undefined, undefined],
  ] as const)("%s", (_, given, activity, afterS, change) => {
    expect(idleChange(given, activity, afterS, at)).toBe(change);
  });

  test("the next look is at what is due next, and what is overdue is not looked at without a pause", () => {
    expect(untilIdleChange(row(100), 7200, at)).toBe(10 * MIN);
    expect(untilIdleChange(row(115, 5), 7200, at)).toBe(5 * MIN);
    expect(idleEndMs(row(600, 4), 7200)).toBe(at.getTime() + 6 * MIN);
    for (const [given, afterS] of [
      [row(null), 7200],
      [row(100), undefined],
      [row(300, 200), 7200],
    ] as const)
      expect(untilIdleChange(given, afterS, at)).toBe(Number.POSITIVE_INFINITY);
  });
});

test("a type says its own time, also that there is none; the others have the server's", () => {
  const said = (idleAfterS: number | null) => ({ idleAfterS }) as TypeSettings;
  const catalogue = new Map([
    ["h100", said(600)],
    ["a100", said(0)],
    ["t4", said(null)],
  ]);
  const core = { catalogue: () => catalogue, settings: { domain: "gpu.test", idleAfterS: 3600 } };
  expect(["h100", "a100", "t4", "cpu"].map((type) => idleAfterS(core, type))).toEqual([
    600,
    undefined,
    3600,
    3600,
  ]);
  expect(idleAfterS({ ...core, settings: { domain: "gpu.test" } }, "t4")).toBeUndefined();
});

describe.each(engines)("the idle rule on $engine", ({ create }) => {
  let world: World;
  const databases: TestDatabase[] = [];
  beforeEach(async () => {
    const database = await create();
    databases.push(database);
    world = await makeRunningWorld(database, {
      parts: { settings: { domain: "gpu.test", idleAfterS: 3600 } },
    });
  });
  afterAll(() => Promise.all(databases.map((d) => d.drop())));

  const active = async () => {
    const id = await world.reserve({ duration_s: 8 * 3600, name: "train" });
    await world.after(0);
    return id;
  };
  const notices = (id: string) =>
    (world.driver.pods.get(`${id}-1`)?.updates ?? []).flatMap(({ idleNotice }) => idleNotice ?? []);
  const history = async (id: string) =>
    (await listEvents(world.core, world.ann, id)).items.map((e) => e.type).slice(3);

  test("a pod that nobody uses is told so, and is ended as expired, with since when", async () => {
    const id = await active();
    expect(await world.show(id)).toMatchObject({ idle_since: null, idle_ends_at: null });
    world.driver.activity = IDLE;
    await world.after(8000);
    expect(await world.show(id)).toMatchObject({
      state: "active",
      idle_since: "2026-01-05T08:00:08.000Z",
      idle_ends_at: "2026-01-05T09:00:08.000Z",
    });
    await world.after(50 * MIN - 1);
    expect(notices(id)).toEqual([]);
    await world.after(1);
    expect(notices(id)).toEqual([
      expect.stringMatching(/train has been idle since .*08:00 UTC.*\n.*after 1h it is ended/),
    ]);
    await world.after(10 * MIN - 1);
    expect((await world.show(id)).state).toBe("active");
    await world.after(1);
    expect(await world.show(id)).toMatchObject({
      state: "expired",
      reason: "idle since 08:00 UTC: no ssh connection, and no work for its GPUs",
      idle_since: null,
    });
    expect(await history(id)).toEqual(["idle", "ending", "expired"]);
  });

  test.each([
    ["an ssh connection", SESSION],
    ["work on a GPU", GPU],
    ["a driver that cannot tell", undefined],
  ])("%s takes back what was told, and the time begins anew", async (_, activity) => {
    const id = await active();
    world.driver.activity = IDLE;
    await world.after(8000);
    await world.after(55 * MIN);
    expect(await history(id)).toEqual(["idle"]);
    world.driver.activity = activity;
    await world.after(8000);
    expect(await world.show(id)).toMatchObject({ state: "active", idle_since: null, idle_ends_at: null });
    expect(notices(id)).toEqual([expect.stringContaining("idle"), ""]);
    expect(await history(id)).toEqual(["idle", "in use"]);
    world.driver.activity = IDLE;
    await world.after(8000);
    await world.after(49 * MIN);
    expect(await history(id)).toEqual(["idle", "in use"]);
    await cancelReservation(world.core, world.ann, id);
    await world.after(0);
  });

  test("L-10 what was told of the end is not taken back with it", async () => {
    const id = await world.reserve({ duration_s: 70 * 60 });
    await world.after(0);
    world.driver.activity = IDLE;
    await world.after(8000);
    await world.after(51 * MIN);
    world.driver.activity = SESSION;
    await world.after(8000);
    const updates = world.driver.pods.get(`${id}-1`)?.updates ?? [];
    expect(updates.flatMap(({ endNotice }) => endNotice ?? [])).toEqual([
      expect.stringContaining("ends within 30 minutes"),
    ]);
    expect(notices(id)).toEqual([expect.stringContaining("idle"), ""]);
  });

  test("use in between, before anything was told, costs no entry in the history", async () => {
    const id = await active();
    for (const activity of [IDLE, SESSION, IDLE, GPU]) {
      world.driver.activity = activity;
      await world.after(8000);
    }
    expect(await world.show(id)).toMatchObject({ version: 3, idle_since: null });
  });

  test("a server that was away does not end what it could not see, without telling first", async () => {
    const id = await active();
    world.driver.activity = IDLE;
    await world.after(8000);
    await world.reconciler.stop();
    world.clock.tick(3 * 60 * MIN);
    world.reconciler.start();
    await world.reconciler.idle();
    expect(await world.show(id)).toMatchObject({ state: "active", idle_ends_at: "2026-01-05T11:10:08.000Z" });
    await world.after(10 * MIN);
    expect((await world.show(id)).state).toBe("expired");
  });

  test("without a rule nobody asks the driver, and nothing is idle", async () => {
    const database = await create();
    databases.push(database);
    const plain = await makeWorld(database);
    plain.reconciler.start();
    plain.driver.activity = IDLE;
    const id = await plain.reserve({ duration_s: 8 * 3600 });
    await plain.after(0);
    await plain.after(7 * 60 * MIN);
    expect(await plain.show(id)).toMatchObject({ state: "active", idle_since: null });
  });
});
