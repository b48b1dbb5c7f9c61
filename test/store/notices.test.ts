import { expect, onTestFinished, test, vi } from "vitest";
import { openStore, type Store } from "../../src/store/db.ts";
import { asSuperuser, createDatabase } from "../helpers/postgres.ts";

interface Heard {
  readonly ids: readonly string[];
  readonly elsewhere: boolean;
}

async function openTwo() {
  const database = await createDatabase();
  const stores = [await openStore({ url: database.url }), await openStore({ url: database.url })] as const;
  onTestFinished(async () => {
    for (const store of stores) await store.close();
    await database.drop();
  });
  return { stores, name: new URL(database.url).pathname.slice(1) };
}

function listen(store: Store): { heard: Heard[]; troubles: unknown[] } {
  const heard: Heard[] = [];
  const troubles: unknown[] = [];
  store.watch({
    changed: (ids, elsewhere) => heard.push({ ids, elsewhere }),
    trouble: (error) => troubles.push(error),
  });
  return { heard, troubles };
}

const touch = (store: Store, ids: readonly string[]) =>
  store.write(async (tx) => {
    for (const id of ids) tx.touched.add(id);
  });
const soon = { timeout: 60_000, interval: 10 };

test("A-13 S-05 what one server commits the other hears of; what is undone nobody does", async () => {
  const { stores } = await openTwo();
  const [one, two] = stores;
  const [own, other] = [listen(one), listen(two)];
  // Until the listening connection is there notices are lost, which costs only time.
  await vi.waitFor(async () => {
    await touch(one, ["warm"]);
    expect(other.heard.length).toBeGreaterThan(0);
  }, soon);
  const undone = one.write(async (tx) => {
    tx.touched.add("undone");
    throw new Error("no");
  });
  await expect(undone).rejects.toThrow("no");
  const many = Array.from({ length: 450 }, (_, i) => `id-${i}`);
  await touch(one, many);
  await vi.waitFor(() => expect(other.heard.flatMap((h) => h.ids)).toContain("id-449"), soon);
  const there = other.heard.flatMap((h) => h.ids).filter((id) => id !== "warm");
  expect(there).toEqual(many);
  expect(other.heard.every((h) => h.elsewhere)).toBe(true);
  expect(own.heard.at(-1)).toEqual({ ids: many, elsewhere: false });
  expect(own.heard.every((h) => !h.elsewhere)).toBe(true);
});

test("a connection for notices that breaks is said once, and opened again", async () => {
  const { stores, name } = await openTwo();
  const [one, two] = stores;
  const other = listen(two);
  await vi.waitFor(async () => {
    await touch(one, ["before"]);
    expect(other.heard.length).toBeGreaterThan(0);
  }, soon);
  await asSuperuser(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'gpu-dev notices' and datname = '${name}'`,
  );
  await vi.waitFor(async () => {
    await touch(one, ["after"]);
    expect(other.heard.flatMap((h) => h.ids)).toContain("after");
  }, soon);
  expect(other.troubles).toHaveLength(2);
  expect(other.troubles[0]).toBeInstanceOf(Error);
  expect(other.troubles[1]).toBeUndefined();
});

test("a store that is closed while it cannot connect does not hang", async () => {
  const { stores, name } = await openTwo();
  const [, two] = stores;
  await asSuperuser(`alter database "${name}" allow_connections false`);
  const other = listen(two);
  await vi.waitFor(() => expect(other.troubles).toHaveLength(1), soon);
  await two.close();
  await asSuperuser(`alter database "${name}" allow_connections true`);
});
