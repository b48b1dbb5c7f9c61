import type { KyselyPlugin } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { createAdmission } from "../../src/core/quotas/admission.ts";
import { waitReason } from "../../src/core/quotas/line.ts";
import { setQuota } from "../../src/core/quotas/settings.ts";
import { openStore, type Store } from "../../src/store/db.ts";
import type { ReservationRow, Tables } from "../../src/store/tables.ts";
import { createClock } from "../helpers/clock.ts";
import { engines, type TestEngine } from "../helpers/engines.ts";
import { createFakeDriver } from "../helpers/fake-driver.ts";
import { reservationRow } from "../helpers/reservation-row.ts";
import { type World, worldOn } from "./world.ts";

const OWNERS = 60;
const TURN = 50;
const owner = (i: number) => `o${String(i).padStart(19, "a")}`;

/** Counts the rows that come out of the database. */
function counted(store: Store): { store: Store; reads(): number } {
  let seen = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      seen += result.rows.length;
      return result;
    },
  };
  return {
    store: {
      ...store,
      read: (work) => store.read((db, now) => work(db.withPlugin(plugin), now)),
      write: (work, options) => store.write((tx) => work({ ...tx, db: tx.db.withPlugin(plugin) }), options),
    },
    reads() {
      const reads = seen;
      seen = 0;
      return reads;
    },
  };
}

/** One GPU at once for everybody, who has it: owner 0 came first, with `first` that wait; the others take turns with `each`. */
async function crowd(create: TestEngine["create"], first: number, each: number) {
  const database = await create();
  const clock = createClock();
  const opened = await openStore({ url: database.url, clock });
  onTestFinished(async () => {
    await opened.close();
    await database.drop();
  });
  const { store, reads } = counted(opened);
  const world = await worldOn(store, clock, createFakeDriver());
  const at = clock.now().toISOString();
  const users: Tables["users"][] = Array.from({ length: OWNERS }, (_, i) => ({
    ...{ id: owner(i), name: `user-${i}`, role: "user", created_at: at, disabled_at: null },
  }));
  let seq = 0;
  const row = (i: number, given: Partial<ReservationRow>): ReservationRow =>
    reservationRow(at, {
      id: `r${String(++seq).padStart(19, "a")}`,
      seq,
      owner_id: owner(i),
      gpu_count: 1,
      ...given,
    });
  const waits = { state: "queued", waits_for_quota: 1, reason: "waits" } as const;
  const all = [
    ...users.map((_, i) => row(i, { state: "active", started_at: at, ends_at: at })),
    ...Array.from({ length: first }, () => row(0, waits)),
    ...Array.from({ length: (OWNERS - 1) * each }, (_, i) => row(1 + (i % (OWNERS - 1)), waits)),
  ];
  await store.write(async ({ db }) => {
    await db.insertInto("users").values(users).execute();
    for (let i = 0; i < all.length; i += 300)
      await db
        .insertInto("reservations")
        .values(all.slice(i, i + 300))
        .execute();
  });
  await setQuota(world.core, world.ann, { default: true, gpus: 1 });
  reads();
  const waiting = async (): Promise<ReservationRow[]> =>
    (await world.rows("reservations")).filter((one) => one.waits_for_quota === 1);
  return { ...world, reads, all, waiting, admission: createAdmission(world.core) };
}

const end = (world: Pick<World, "core">, id: string) =>
  world.core.store.write(({ db, at }) =>
    db
      .updateTable("reservations")
      .set({ state: "expired", ended_at: at, next_step_at: null })
      .where("id", "=", id)
      .execute(),
  );

describe.each(engines)("thousands that wait for quotas on $engine", ({ create }) => {
  test("B-05 a look and a newcomer read no more of them than of hundreds", async () => {
    const readBy = async (first: number, each: number) => {
      const world = await crowd(create, first, each);
      const ask = () =>
        world.core.store.write(({ db, now }) => waitReason(db, { owner_id: owner(0), gpu_count: 1 }, now));
      expect(await ask()).toBe(
        "waits for room in the quota of user user-0, 1 GPUs at once: others wait before it",
      );
      const asked = world.reads();
      for (let i = 0; i < 2; i++) await world.admission.look();
      world.reads();
      await world.admission.look();
      return [asked, world.reads()];
    };
    expect(await readBy(2000, 30)).toEqual(await readBy(200, 30));
  });

  test("nobody starves behind them: whom a larger quota lets in is let in within one round", async () => {
    const world = await crowd(create, 600, 5);
    await setQuota(world.core, world.ann, { default: true, gpus: 2 });
    const before = await world.waiting();
    for (let i = 0; i <= before.length / TURN + 1; i++) await world.admission.look();
    const after = new Set((await world.waiting()).map((row) => row.id));
    const gone = before.filter((row) => !after.has(row.id));
    // Of each owner one, the one who came first.
    const firsts = [...Map.groupBy(before, (row) => row.owner_id).values()].map((rows) => rows[0]?.id);
    expect(gone.map((row) => row.id).sort()).toEqual(firsts.sort());
    for (const row of await world.waiting())
      expect(row.reason).toMatch(/^waits for room in the quota of user user-/);
  });

  test("room that one of them leaves is given by the next look", async () => {
    const world = await crowd(create, 200, 2);
    await world.admission.look();
    const [held, ...line] = world.all
      .filter((row) => row.owner_id === owner(OWNERS - 1))
      .map((row) => row.id);
    await end(world, held ?? "");
    world.admission.changed([held ?? ""]);
    await world.admission.look();
    const after = (await world.waiting()).filter((row) => row.owner_id === owner(OWNERS - 1));
    expect(after.map((row) => row.id).sort()).toEqual(line.slice(1).sort());
  });

  test("what asks for more than a quota that was made smaller holds up nobody", async () => {
    const world = await crowd(create, 60, 1);
    const big = world.all.filter((row) => row.owner_id === owner(0) && row.waits_for_quota === 1);
    await world.core.store.write(({ db }) =>
      db
        .updateTable("reservations")
        .set({ gpu_count: 4 })
        .where(
          "id",
          "in",
          big.slice(0, 55).map((row) => row.id),
        )
        .execute(),
    );
    await end(world, world.all[0]?.id ?? "");
    for (let i = 0; i < 4; i++) await world.admission.look();
    const rows = new Map((await world.rows("reservations")).map((row) => [row.id, row]));
    expect(rows.get(big[55]?.id ?? "")).toMatchObject({ waits_for_quota: 0 });
    expect(rows.get(big[0]?.id ?? "")?.reason).toBe(
      "waits for room in the quota of user user-0, 1 GPUs at once: it asks for more than all of them",
    );
  });
});
