import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openStore, type Store } from "../../src/store/db.ts";
import { claimDue, claimOne, dropLease, nextDue, renewLeases, settle } from "../../src/store/leases.ts";
import { findReservation, updateReservation } from "../../src/store/reservations.ts";
import { insertUser } from "../../src/store/users.ts";
import { createClock, type TestClock } from "../helpers/clock.ts";
import { engines, type TestDatabase } from "../helpers/engines.ts";
import { reservationRow } from "../helpers/reservation-row.ts";

const AT = "2026-01-05T08:00:00.000Z";
const STATES = ["queued", "active"] as const;
const [ME, OTHER] = [
  { owner: "me", ms: 30_000 },
  { owner: "other", ms: 30_000 },
];

const row = (seq: number) => reservationRow(AT, { id: `r${seq}`, seq, owner_id: "u" });

describe.each(engines)("leases on $engine", ({ create }) => {
  let database: TestDatabase;
  let store: Store;
  let clock: TestClock;
  beforeAll(async () => {
    clock = createClock(AT);
    database = await create();
    store = await openStore({ url: database.url, clock });
    await store.write((tx) =>
      insertUser(tx, { id: "u", name: "u", role: "user", created_at: AT, disabled_at: null }),
    );
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });
  beforeEach(() =>
    store.write(async ({ db }) => {
      await db.deleteFrom("reservations").execute();
      const next_step_at = clock.now().toISOString();
      await db
        .insertInto("reservations")
        .values(Array.from({ length: 40 }, (_, i) => ({ ...row(i), next_step_at })))
        .execute();
    }),
  );

  test("L-16 concurrent claims are disjoint, and together take what is due", async () => {
    const claims = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        store.write((tx) => claimDue(tx, { owner: `o${i}`, ms: 1000 }, 10, STATES)),
      ),
    );
    const taken = claims.flat();
    expect(taken.length).toBe(new Set(taken).size);
    const rest = await store.write((tx) => claimDue(tx, ME, 100, STATES));
    expect(taken.length + rest.length).toBe(40);
    expect(await store.read((db) => nextDue(db, STATES))).toBeUndefined();
  });

  test("a lease holds until it runs out; then another owner has it, and the first can do nothing", async () => {
    expect((await store.write((tx) => claimOne(tx, ME, "r1")))?.leased_by).toBe("me");
    expect(await store.write((tx) => claimOne(tx, OTHER, "r1"))).toBeUndefined();
    clock.tick(29_999);
    expect(await store.write((tx) => renewLeases(tx, ME, ["r1"]))).toBe(1);
    clock.tick(29_999);
    expect(await store.write((tx) => claimOne(tx, OTHER, "r1"))).toBeUndefined();
    clock.tick(1);
    expect((await store.write((tx) => claimOne(tx, OTHER, "r1")))?.leased_by).toBe("other");
    expect(await store.write((tx) => renewLeases(tx, ME, ["r1"]))).toBe(0);
    await store.write((tx) => dropLease(tx, "me", "r1"));
    const late = { id: "r1", version: 1, leasedBy: "me" };
    expect(await store.write((tx) => updateReservation(tx, late, { reason: "late" }))).toBeUndefined();
    expect(await store.read((db) => findReservation(db, "r1"))).toMatchObject({
      leased_by: "other",
      reason: null,
    });
  });

  test("L-02 many rest at once, but for those that were changed or are somebody else's", async () => {
    const later = new Date(clock.now().getTime() + 8000).toISOString();
    await store.write((tx) => claimDue(tx, ME, 100, STATES));
    await store.write((tx) => dropLease(tx, "me", "r3"));
    await store.write((tx) => claimOne(tx, OTHER, "r3"));
    await store.write((tx) => updateReservation(tx, { id: "r4", version: 1 }, { version: 2 }));
    const rests = ["r1", "r3", "r4", "r5"].map((id) => ({ id, version: 1, nextStepAt: later }));
    expect((await store.write((tx) => settle(tx, "me", rests))).toSorted()).toEqual(["r1", "r5"]);
    const row = (id: string) => store.read((db) => findReservation(db, id));
    expect(await row("r1")).toMatchObject({ leased_by: null, next_step_at: later });
    expect(await row("r3")).toMatchObject({ leased_by: "other" });
    expect(await row("r4")).toMatchObject({ leased_by: "me", next_step_at: clock.now().toISOString() });
  });

  test("L-02 a change names the version that it expects", async () => {
    const change = (version: number) =>
      store.write((tx) => updateReservation(tx, { id: "r2", version }, { version: version + 1 }));
    expect(await change(1)).toMatchObject({ version: 2 });
    expect(await change(1)).toBeUndefined();
    const both = await Promise.all([change(2), change(2)]);
    expect(both.filter((r) => r !== undefined)).toHaveLength(1);
  });

  test("what is not due is not claimed, and is told as the next", async () => {
    const later = new Date(clock.now().getTime() + 5000).toISOString();
    await store.write(({ db }) => db.updateTable("reservations").set({ next_step_at: later }).execute());
    expect(await store.write((tx) => claimDue(tx, ME, 10, STATES))).toEqual([]);
    expect(await store.read((db) => nextDue(db, STATES))).toBe(later);
    clock.tick(5000);
    expect(await store.write((tx) => claimDue(tx, ME, 10, STATES))).toHaveLength(10);
  });
});
