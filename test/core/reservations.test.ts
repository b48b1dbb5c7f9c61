import { sql } from "kysely";
import { beforeEach, describe, expect, test } from "vitest";
import { changeReservation, SYSTEM } from "../../src/core/change.ts";
import { createReservation } from "../../src/core/create.ts";
import { pageOf } from "../../src/core/cursor.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { listAvailability, listGpuTypes, syncCapacity } from "../../src/core/gpus/inventory.ts";
import { newId } from "../../src/core/ids.ts";
import { getReservation, listEvents, listReservations } from "../../src/core/listing.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { listKeys, registerKey, removeKey } from "../../src/core/people/keys.ts";
import { allocate } from "../../src/store/allocations.ts";
import { findReservation } from "../../src/store/reservations.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { makeWorld, type World } from "./world.ts";

const HOUR = 3600;
/** One row for each transaction of this PostgreSQL database that waits for another. */
const waitsForLock = sql`select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;

describe.each(engines)("reservations on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    world = await makeWorld(database);
  });

  const refusal = (input: Partial<Parameters<typeof createReservation>[2]>, caller = world.ann) =>
    createReservation(world.core, caller, { gpu_type: "h100", duration_s: HOUR, ...input }).then(
      () => undefined,
      (error: unknown) => error,
    );

  test("S-01 the database itself refuses to give a GPU twice", async () => {
    const [a, b] = [await world.reserve(), await world.reserve()];
    const [held] = (await world.rows("allocations")).filter((row) => row.reservation_id === a);
    if (!held) throw new Error("nothing is held");
    const twice = world.core.store.write(({ db }) =>
      db
        .insertInto("allocations")
        .values({ ...held, reservation_id: b })
        .execute(),
    );
    await expect(twice).rejects.toThrow(/unique|duplicate/i);
    const theirs = { ...held, reservation_id: b };
    const free = { ...theirs, gpu_index: 7 };
    expect(await world.core.store.write((tx) => allocate(tx, [free, theirs]))).toBe(false);
  });

  test("S-02 B-08 200 concurrent requests for the last GPU: one gets it, the others are queued in order", async () => {
    world.driver.nodes = [h100(1)];
    await syncCapacity(world.core);
    const made = await Promise.all(
      Array.from({ length: 200 }, () =>
        createReservation(world.core, world.ann, { gpu_type: "h100", duration_s: HOUR }),
      ),
    );
    expect(made.filter((m) => m.reservation.state === "preparing")).toHaveLength(1);
    const rows = (await world.rows("reservations")).toSorted((a, b) => a.seq - b.seq);
    expect(rows.map((r) => r.seq)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    const { items } = await listReservations(world.core, world.ann, { state: "queued", limit: 500 });
    expect(items.map((r) => r.queue_position)).toEqual(Array.from({ length: 199 }, (_, i) => 199 - i));
    expect(items.toReversed().map((r) => r.id)).toEqual(rows.slice(1).map((r) => r.id));
    expect(await world.rows("allocations")).toHaveLength(1);
    // Each queued answer has the start that the plan gives it: one after the other.
    const starts = items.toReversed().map((r) => Date.parse(r.estimated_start_at ?? ""));
    expect(starts).toEqual(starts.toSorted((a, b) => a - b));
    expect(new Set(starts).size).toBe(199);
  });

  test("S-05 the freed GPU goes to the first of the queue at once", async () => {
    world.reconciler.start();
    const holder = await world.reserve({ gpu_count: 8 });
    const [first, second] = [await world.reserve({ gpu_count: 8 }), await world.reserve({ gpu_count: 1 })];
    await world.after(0);
    await cancelReservation(world.core, world.ann, holder);
    await world.after(0);
    expect((await world.show(first)).state).toBe("active");
    expect(await world.show(second)).toMatchObject({ state: "queued", queue_position: 1 });
  });

  test("S-10 types, counts and limits come from the driver's report alone", async () => {
    const plain = {
      ...{
        nodes: 1,
        full_nodes: 1,
        description: null,
        gpu_memory_bytes: null,
        cpus: null,
        memory_bytes: null,
      },
      ...{ price_per_hour: null, slice_of: null, slices_per_gpu: null },
    };
    expect((await listGpuTypes(world.core)).items).toEqual([
      {
        name: "cpu",
        gpus_per_slot: 0,
        max_gpus_per_node: 0,
        max_duration_s: 48 * HOUR,
        simulated: false,
        ...plain,
      },
      {
        name: "h100",
        gpus_per_slot: 1,
        max_gpus_per_node: 8,
        max_duration_s: 48 * HOUR,
        simulated: true,
        ...plain,
      },
    ]);
    expect(await refusal({ gpu_type: "b200" })).toMatchObject({
      code: "invalid_input",
      message: 'gpu_type: there is no GPU type "b200"; there are: cpu, h100',
      hint: undefined,
    });
    expect(await refusal({ gpu_type: "h10" })).toMatchObject({ hint: "did you mean h100?" });
    expect(await refusal({ duration_s: 49 * HOUR })).toMatchObject({
      code: "invalid_input",
      message: "duration_s: h100 is given for at most 2d",
    });
  });

  test("S-10 what the operator says of a type goes before the driver, and types that nothing offers are known", async () => {
    const said = { description: null, gpuMemory: null, cpus: 4, memory: null, slice: null, idleAfterS: null };
    const catalogue = new Map([
      ["h100", { ...said, maxDurationS: 4 * HOUR, pricePerHour: 2_500_000, withoutGpus: false }],
      ["cpu-large", { ...said, maxDurationS: null, pricePerHour: null, withoutGpus: true }],
    ]);
    const core = { ...world.core, catalogue: () => catalogue };
    expect((await listGpuTypes(core)).items).toMatchObject([
      { name: "cpu", nodes: 1, cpus: null },
      { name: "cpu-large", nodes: 0, gpus_per_slot: 0, max_gpus_per_node: 0, cpus: 4 },
      { name: "h100", nodes: 1, max_duration_s: 4 * HOUR, price_per_hour: 2_500_000 },
    ]);
    const refused = createReservation(core, world.ann, { gpu_type: "h100", duration_s: 5 * HOUR });
    await expect(refused).rejects.toThrow("h100 is given for at most 4h");
    const missing = createReservation(core, world.ann, { gpu_type: "cpu-large", duration_s: HOUR });
    await expect(missing).rejects.toThrow(/there is no GPU type "cpu-large"; there are: cpu, h100/);
  });

  test("S-09 impossible counts are refused with the possible ones", async () => {
    expect(await refusal({ gpu_count: 9 })).toMatchObject({
      code: "impossible_request",
      message: "gpu_count 9 is not possible: h100 is given 1 to 8 at a time",
    });
    expect(await refusal({ gpu_count: 0 })).toMatchObject({ code: "impossible_request" });
    expect(await refusal({ gpu_type: "cpu", gpu_count: 1 })).toMatchObject({
      code: "impossible_request",
      message: "gpu_count 1 is not possible: cpu has no GPUs, so that the count can only be 0",
    });
    expect(await world.rows("reservations")).toEqual([]);
  });

  test("availability adds up: total = free + used + unavailable, in GPUs and in places", async () => {
    await world.reserve({ gpu_count: 3 });
    await world.reserve({ gpu_type: "cpu" });
    await world.reserve({ gpu_count: 8 });
    const { items } = await listAvailability(world.core);
    expect(items).toMatchObject([
      { gpu_type: "cpu", unit: "place", total: 2, free: 1, used: 1, unavailable: 0, queued: 0 },
      { gpu_type: "h100", unit: "gpu", total: 8, free: 5, used: 3, unavailable: 0, queued: 1 },
    ]);
    expect(items.map((i) => i.latest_start_at)).toEqual([
      "2026-01-05T08:00:00.000Z",
      // An hour with all around it is longer than the one that waits for all may be kept waiting: what runs and that one
      // take 67 min each at most (preparing, patience, an hour, clearing), the first of them 1 min less; 1 min of patience.
      "2026-01-05T10:14:00.000Z",
    ]);
  });

  test("without the queue nothing is stored when nothing is free", async () => {
    await world.reserve({ gpu_count: 8 });
    expect(await refusal({ queue: false })).toMatchObject({ code: "no_capacity" });
    expect(await world.rows("reservations")).toHaveLength(1);
    expect(
      (await createReservation(world.core, world.ann, { gpu_type: "cpu", duration_s: 60, queue: false }))
        .reservation.state,
    ).toBe("preparing");
  });

  test("without a registered key nobody reserves", async () => {
    await world.core.store.write(({ db }) => db.deleteFrom("ssh_keys").execute());
    expect(await refusal({})).toMatchObject({
      code: "no_ssh_key",
      hint: expect.stringContaining("/v1/keys"),
    });
  });

  test("L-01 a key that comes with a reservation is registered with it, or neither is there", async () => {
    await world.core.store.write(({ db }) => db.deleteFrom("ssh_keys").execute());
    const registered = async () =>
      (await world.rows("audit")).filter(({ action }) => action === "key.create").length;
    const before = await registered();
    const { publicKey: public_key } = newKeyPair();
    expect(await refusal({ public_key, gpu_type: "b200" })).toMatchObject({ code: "invalid_input" });
    expect(await refusal({ public_key: "rubbish" })).toMatchObject({ errors: [{ field: "public_key" }] });
    expect(await world.rows("ssh_keys")).toEqual([]);
    for (let i = 0; i < 2; i++) expect(await refusal({ public_key })).toBeUndefined();
    expect(await world.rows("ssh_keys")).toEqual([
      expect.objectContaining({ user_id: world.ann.id, public_key: public_key.trim() }),
    ]);
    expect(await registered()).toBe(before + 1);
  });

  test("a key that comes with a reservation opens the pods that are there, too", async () => {
    world.reconciler.start();
    const earlier = await world.reserve();
    await world.after(0);
    const { publicKey: public_key } = newKeyPair();
    expect(await refusal({ public_key })).toBeUndefined();
    await world.after(0);
    const pod = world.driver.pods.get(`${earlier}-1`);
    expect(pod?.updates.at(-1)?.authorizedKeys).toContainEqual(public_key.trim());
  });

  test("X-09 plain processes are one trust domain: users other than administrators are refused", async () => {
    world.driver.isolation = "processes";
    expect(await refusal({}, world.bob)).toMatchObject({
      code: "not_allowed",
      message: expect.stringContaining("one trust domain"),
    });
    expect(await refusal({}, world.ann)).toBeUndefined();
  });

  test("C-11 names are unique among an owner's live reservations, also at the same moment", async () => {
    const results = await Promise.all(Array.from({ length: 10 }, () => refusal({ name: "train" })));
    expect(results.filter((r) => r === undefined)).toHaveLength(1);
    expect(results.find((r) => r !== undefined)).toMatchObject({ code: "name_taken" });
    const [mine] = (await listReservations(world.core, world.ann, { name: "train" })).items;
    expect(await refusal({ name: "train" }, world.bob)).toBeUndefined();
    world.reconciler.start();
    await cancelReservation(world.core, world.ann, mine?.id ?? "");
    await world.after(0);
    const again = await world.reserve({ name: "train" });
    const other = await world.reserve();
    await expect(patchReservation(world.core, world.ann, other, { name: "train" })).rejects.toMatchObject({
      code: "name_taken",
    });
    const renamed = await patchReservation(world.core, world.ann, again, { name: "train-2" });
    expect(renamed).toMatchObject({ name: "train-2" });
  });

  test("A-02 what is not yours is as unknown as what is not there", async () => {
    const id = await world.reserve();
    const unknown = newId();
    const acts = (which: string) => [
      getReservation(world.core, world.bob, which),
      cancelReservation(world.core, world.bob, which),
      patchReservation(world.core, world.bob, which, { name: "mine" }),
      patchReservation(world.core, world.bob, which, { extend_s: 60 }),
      listEvents(world.core, world.bob, which),
    ];
    const answer = (result: PromiseSettledResult<unknown>, which: string) =>
      result.status === "rejected" ? [result.reason.code, result.reason.message.replace(which, "ID")] : [];
    const theirs = (await Promise.allSettled(acts(id))).map((r) => answer(r, id));
    const nobodys = (await Promise.allSettled(acts(unknown))).map((r) => answer(r, unknown));
    expect(theirs).toEqual(nobodys);
    expect(new Set(theirs.map(([code]) => code))).toEqual(new Set(["not_found"]));
    expect((await listReservations(world.core, world.bob, { state: "all" })).items).toEqual([]);
  });

  test("A-07 cancelling again, also at the same moment, answers the same and is recorded once", async () => {
    world.reconciler.start();
    const id = await world.reserve();
    await world.after(0);
    const cancel = () => cancelReservation(world.core, world.ann, id);
    const states = (await Promise.all(Array.from({ length: 10 }, cancel))).map((r) => r.state);
    expect(states.every((s) => s === "ending" || s === "cancelled")).toBe(true);
    await world.after(0);
    expect((await cancel()).state).toBe("cancelled");
    const events = (await listEvents(world.core, world.ann, id)).items.map((e) => e.type);
    expect(events).toEqual(["created", "preparing", "active", "ending", "cancelled"]);
    expect(world.driver.calls.filter((c) => c === `terminate ${id}-1`)).toHaveLength(1);
    const rename = patchReservation(world.core, world.ann, id, { name: "late" });
    await expect(rename).rejects.toMatchObject({ code: "not_active" });
  });

  test("A-07 cancelling what has expired is a conflict that changes nothing", async () => {
    world.reconciler.start();
    const id = await world.reserve({ duration_s: 60 });
    await world.after(0);
    await world.after(60_000);
    const before = await world.show(id);
    await expect(cancelReservation(world.core, world.ann, id)).rejects.toMatchObject({
      code: "not_active",
      message: `reservation ${id} is expired: its time is over`,
    });
    expect(await world.show(id)).toEqual(before);
  });

  test("A-08 the same request under a key gets the first answer again, another one a mismatch", async () => {
    const input = { gpu_type: "h100", duration_s: HOUR };
    const once = (requestHash: string) =>
      createReservation(world.core, world.ann, input, { key: "k1", requestHash });
    const [first, ...again] = await Promise.all([once("h1"), once("h1"), once("h1")]);
    expect(again.map((a) => a.reservation)).toEqual([first?.reservation, first?.reservation]);
    expect([first, ...again].filter((a) => a?.replayed)).toHaveLength(2);
    await expect(once("h2")).rejects.toMatchObject({ code: "idempotency_mismatch" });
    expect(await world.rows("reservations")).toHaveLength(1);
    const theirs = await createReservation(world.core, world.bob, input, { key: "k1", requestHash: "h3" });
    expect(theirs.replayed).toBe(false);
    world.clock.tick(24 * HOUR * 1000 + 1);
    expect((await once("h2")).replayed).toBe(false);
  });

  test("A-08 a key registered under an idempotency key is answered again, another one is a mismatch", async () => {
    const register = (requestHash: string) =>
      registerKey(world.core, world.bob, { public_key: newKeyPair().publicKey }, { key: "k2", requestHash });
    const answers = await Promise.all([register("h1"), register("h1")]);
    expect(answers[0].body).toEqual(answers[1].body);
    expect(answers.filter((a) => a.replayed)).toHaveLength(1);
    await expect(register("h2")).rejects.toMatchObject({ code: "idempotency_mismatch" });
  });

  test("L-02 a key is removed although its owner's reservation is being changed", async () => {
    const id = await world.reserve({}, world.bob);
    const [key] = (await listKeys(world.core, world.bob)).items;
    const [changed, commit] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const { store } = world.core;
    const changing = store.write(async (tx) => {
      const row = await findReservation(tx.db, id);
      if (row) await changeReservation(tx, row, { actor: SYSTEM }, { type: "tried", detail: null }, {});
      changed.resolve();
      await commit.promise;
    });
    await changed.promise;
    const removing = removeKey(world.core, world.bob, key?.id ?? "");
    // It has read the row and waits for it; SQLite lets nobody in before.
    const waits = () => store.read(async (db) => (await waitsForLock.execute(db)).rows.length);
    if (store.engine === "postgres") await expect.poll(waits, { timeout: 20_000 }).toBe(1);
    commit.resolve();
    await changing;
    expect(await removing).toEqual(key);
    expect((await world.show(id, world.bob)).version).toBe(4);
  });

  test("A-05 a cursor made by hand is refused before the database is asked", async () => {
    const forged = (filter: unknown, sort: string) =>
      pageOf([1, 2], [1, 2], 1, filter, () => [sort, "x"]).next_cursor ?? "";
    const { core, bob } = world;
    const numbers = forged(["reservations", bob.id, "all", undefined, undefined], "not a number");
    const texts = forged(["keys", bob.id], "\u0000");
    const refused = { code: "invalid_input", errors: [expect.objectContaining({ field: "cursor" })] };
    await expect(listReservations(core, bob, { state: "all", cursor: numbers })).rejects.toMatchObject(
      refused,
    );
    await expect(listKeys(core, bob, { cursor: texts })).rejects.toMatchObject(refused);
  });

  test("A-06 A-18 lists are paged with cursors that belong to their filters", async () => {
    const ids = [];
    for (let i = 0; i < 5; i++) ids.push(await world.reserve());
    const first = await listReservations(world.core, world.ann, { limit: 2 });
    const second = await listReservations(world.core, world.ann, {
      limit: 2,
      cursor: first.next_cursor ?? "",
    });
    const last = await listReservations(world.core, world.ann, {
      limit: 2,
      cursor: second.next_cursor ?? "",
    });
    const seen = [...first.items, ...second.items, ...last.items].map((r) => r.id);
    expect(seen).toEqual(ids.toReversed());
    expect(last.next_cursor).toBeNull();
    for (const [query, cursor] of [
      [{ state: "all" }, first.next_cursor],
      [{}, "nonsense"],
      [{}, Buffer.from("[1,2,3]").toString("base64url")],
    ] as const)
      await expect(
        (async () => listReservations(world.core, world.ann, { ...query, limit: 2, cursor: cursor ?? "" }))(),
      ).rejects.toMatchObject({ code: "invalid_input", errors: [{ field: "cursor" }] });
    const prefix = ids[2]?.slice(0, 6) ?? "";
    const found = await listReservations(world.core, world.ann, { id_prefix: prefix });
    expect(found.items.map((r) => r.id)).toEqual([ids[2]]);
  });

  test("A-13 what was acknowledged is in the next get and list", async () => {
    const id = await world.reserve({ name: "seen" });
    expect((await world.show(id)).name).toBe("seen");
    expect((await listReservations(world.core, world.ann, {})).items.map((r) => r.id)).toEqual([id]);
    await patchReservation(world.core, world.ann, id, { name: "renamed" });
    expect((await listReservations(world.core, world.ann, { name: "renamed" })).items).toHaveLength(1);
  });

  test("a key that is known is answered as it is", async () => {
    const { publicKey } = newKeyPair();
    const { body: first } = await registerKey(world.core, world.bob, {
      public_key: `${publicKey} bob@laptop`,
    });
    const { body: again } = await registerKey(world.core, world.bob, { public_key: publicKey });
    expect(again).toEqual(first);
    expect(first.comment).toBe("bob@laptop");
    const { items, next_cursor } = await listKeys(world.core, world.bob, { limit: 1 });
    const rest = await listKeys(world.core, world.bob, { limit: 1, cursor: next_cursor ?? "" });
    expect(new Set([...items, ...rest.items].map((k) => k.id)).size).toBe(2);
    expect(rest.next_cursor).toBeNull();
  });

  test("a type without GPUs takes a place and shows no GPUs", async () => {
    const id = await world.reserve({ gpu_type: "cpu" });
    expect(await world.show(id)).toMatchObject({
      state: "preparing",
      gpu_count: 0,
      gpus: [],
      node: "node-1",
    });
    expect(await world.rows("allocations")).toHaveLength(1);
  });
});
