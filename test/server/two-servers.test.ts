/** Two servers on one PostgreSQL. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiRig, engineNamed, openRig, type Person } from "./rig.ts";

let one: ApiRig;
let two: ApiRig;
let alice: Person;
beforeEach(async () => {
  one = await openRig(engineNamed("postgres"));
  two = await one.second();
  alice = await one.person("alice");
});
afterEach(async () => {
  await two.close();
  await one.close();
});

test("A-13 an acknowledged change shows in the next get and list of the other server", async () => {
  const there = two.clientFor(alice);
  for (let round = 0; round < 10; round++) {
    const name = `box-${round}`;
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name } });
    expect((await there.listReservations({ query: { name } })).items.map((r) => r.id)).toEqual([id]);
    await there.patchReservation({ params: { id }, body: { name: `${name}-b` } });
    expect((await alice.api.getReservation({ params: { id } })).name).toBe(`${name}-b`);
    await there.cancelReservation({ params: { id } });
    const { state } = await alice.api.getReservation({ params: { id } });
    expect(["ending", "cancelled"]).toContain(state);
  }
});

test("A-08 a key that one server saw is known to the other, also at the same moment", async () => {
  const there = two.clientFor(alice);
  const idempotencyKey = randomUUID();
  const body = { gpu_type: "h100", duration_s: 3600 };
  const made = await Promise.all(
    Array.from({ length: 10 }, (_, i) =>
      (i % 2 ? there : alice.api).createReservation({ body, idempotencyKey }),
    ),
  );
  expect(new Set(made.map((r) => r.id)).size).toBe(1);
});

test("S-02 200 concurrent POSTs to two servers for the last GPU: one gets it", async () => {
  const there = two.clientFor(alice);
  const body = { gpu_type: "h100", duration_s: 3600 };
  const made = await Promise.all(
    Array.from({ length: 200 }, (_, i) => (i % 2 ? there : alice.api).createReservation({ body })),
  );
  expect(made.filter((r) => r.state !== "queued")).toHaveLength(1);
  const free = (await there.listAvailability({ query: {} })).items.find((a) => a.gpu_type === "h100");
  expect(free).toMatchObject({ total: 1, free: 0, used: 1, queued: 199 });
});
