import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openStore, type Store } from "../../src/store/db.ts";
import { findUserByName, insertUser } from "../../src/store/users.ts";
import { engines, sqlite, type TestDatabase } from "../helpers/engines.ts";
import { asSuperuser, createDatabase } from "../helpers/postgres.ts";

const user = (name: string) => ({
  id: `id-of-${name}`,
  name,
  role: "user" as const,
  created_at: "2026-01-05T08:00:00.000Z",
  disabled_at: null,
});

describe.each(engines)("the store on $engine", ({ create }) => {
  let database: TestDatabase;
  let store: Store;
  beforeAll(async () => {
    database = await create();
    store = await openStore({ url: database.url });
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  test("its time is the database's, and an injected clock's where a test gives one", async () => {
    expect(Math.abs((await store.now()).getTime() - Date.now())).toBeLessThan(10_000);
    expect(await store.read(async (_db, now) => now)).toBeInstanceOf(Date);
  });

  test("a write is all or nothing", async () => {
    const failing = store.write(async (tx) => {
      await insertUser(tx, user("half"));
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await store.read((db) => findUserByName(db, "half"))).toBeUndefined();
  });

  test("B-02 a read is not held up by an open write, and does not see it before it is committed", async () => {
    const written = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const writing = store.write(async (tx) => {
      await insertUser(tx, user("slow"));
      written.resolve();
      await go.promise;
    });
    await written.promise;
    expect(await store.read((db) => findUserByName(db, "slow"))).toBeUndefined();
    go.resolve();
    await writing;
    expect(await store.read((db) => findUserByName(db, "slow"))).toMatchObject({ name: "slow" });
  });

  test("B-02 readers do not stand behind writers that queue for a lock", async () => {
    const entered = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const locked = { lock: "schedule" } as const;
    const writers = Array.from({ length: 30 }, () =>
      store.write(() => {
        entered.resolve();
        return go.promise;
      }, locked),
    );
    await entered.promise;
    await Promise.all(Array.from({ length: 30 }, () => store.read((db) => findUserByName(db, "slow"))));
    go.resolve();
    await Promise.all(writers);
  });

  test("B-02 a read sees one snapshot", async () => {
    const counted = (db: Parameters<Parameters<Store["read"]>[0]>[0]) =>
      db.selectFrom("users").select("id").execute();
    const [before, after] = await store.read(async (db) => {
      const first = await counted(db);
      await store.write((tx) => insertUser(tx, user("meanwhile")));
      return [first, await counted(db)];
    });
    expect(after).toEqual(before);
  });

  test("B-02 concurrent writes and reads never end in 'database is locked'", async () => {
    const work = Array.from({ length: 200 }, (_, i) =>
      i % 2
        ? store.read((db) => findUserByName(db, `u${i - 1}`))
        : store.write((tx) => insertUser(tx, user(`u${i}`)), i % 4 ? {} : { lock: "schedule" }),
    );
    const failed = (await Promise.allSettled(work)).filter((r) => r.status === "rejected");
    expect(failed).toEqual([]);
  });

  test("a unique clash is undefined, and the transaction goes on", async () => {
    await store.write((tx) => insertUser(tx, user("taken")));
    const made = await store.write(async (tx) => [
      await insertUser(tx, { ...user("taken"), id: "other" }),
      await insertUser(tx, user("after-the-clash")),
    ]);
    expect(made).toEqual([undefined, user("after-the-clash")]);
  });

  test("B-04 a row that holds what it cannot hold is an error with its column", async () => {
    const change = (created_at: string) =>
      store.write(({ db }) =>
        db.updateTable("users").set({ created_at }).where("name", "=", "taken").execute(),
      );
    for (const bad of ["yesterday", "2026-01-05", "2026-13-45T08:00:00.000Z"]) {
      await change(bad);
      await expect(store.read((db) => findUserByName(db, "taken"))).rejects.toThrow(
        'users.created_at of row "id-of-taken"',
      );
    }
    await change(user("x").created_at);
  });

  test("text sorts by its bytes on both engines", async () => {
    const names = ["a-b", "ab", "B", "a", "_", "é"];
    await store.write(async (tx) => {
      for (const name of names) await insertUser(tx, user(`sort-${name}`));
    });
    const sorted = await store.read((db) =>
      db.selectFrom("users").select("name").where("name", "like", "sort-%").orderBy("name").execute(),
    );
    expect(sorted.map((r) => r.name)).toEqual(["B", "_", "a", "a-b", "ab", "é"].map((n) => `sort-${n}`));
  });

  test("a URL that cannot be opened is told in words", async () => {
    await expect(openStore({ url: "mysql://x" })).rejects.toThrow("must be sqlite:/path");
    await expect(openStore({ url: "sqlite:/nowhere/at/all/x.db" })).rejects.toThrow("does not exist");
  });
});

describe("SQLite's file", () => {
  test("each commit is synced to the disk", async () => {
    const { url, drop } = await sqlite.create();
    const store = await openStore({ url });
    onTestFinished(async () => {
      await store.close();
      await drop();
    });
    const pragma = await store.write(({ db }) =>
      sql<{ synchronous: number }>`pragma synchronous`.execute(db),
    );
    const mode = await store.read((db) => sql<{ journal_mode: string }>`pragma journal_mode`.execute(db));
    expect([pragma.rows[0]?.synchronous, mode.rows[0]?.journal_mode]).toEqual([2, "wal"]);
  });
});

describe("PostgreSQL connections", () => {
  test("B-01 a thousand broken ones in a row are replaced and do not exhaust the pool", async () => {
    const database = await createDatabase();
    const store = await openStore({ url: database.url });
    onTestFinished(async () => {
      await store.close();
      await database.drop();
    });
    const suicide = () =>
      store.write(({ db }) => sql`select pg_terminate_backend(pg_backend_pid())`.execute(db));
    const outcomes = new Set<string>();
    for (let round = 0; round < 100; round++)
      for (const result of await Promise.allSettled(Array.from({ length: 10 }, suicide)))
        outcomes.add(result.status === "rejected" ? result.reason.code : "fulfilled");
    expect([...outcomes]).toEqual(["unavailable"]);
    expect(await store.now()).toBeInstanceOf(Date);
    const open = await asSuperuser(`select 1 from pg_stat_activity where datname = '${database.name}'`);
    expect(open.length).toBeLessThanOrEqual(20);
  });

  test("B-01 a read survives the loss of all idle connections", async () => {
    const database = await createDatabase();
    const store = await openStore({ url: database.url });
    onTestFinished(async () => {
      await store.close();
      await database.drop();
    });
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 10 }, () => store.now()));
      await asSuperuser(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database.name}'`,
      );
      expect(await store.read(async (db) => (await sql`select 1`.execute(db)).rows.length)).toBe(1);
    }
  });

  test("a deadlock is undone by the database and tried again, unseen by the caller", async () => {
    const database = await createDatabase();
    const store = await openStore({ url: database.url });
    onTestFinished(async () => {
      await store.close();
      await database.drop();
    });
    await store.write(async (tx) => {
      await insertUser(tx, user("a"));
      await insertUser(tx, user("b"));
    });
    const both = [Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
    const touch = (db: Parameters<Parameters<Store["write"]>[0]>[0]["db"], name: string) =>
      db.updateTable("users").set({ role: "admin" }).where("name", "=", name).execute();
    let runs = 0;
    const crossing = (mine: 0 | 1, first: string, second: string) =>
      store.write(async ({ db }) => {
        runs += 1;
        await touch(db, first);
        both[mine].resolve();
        await both[1 - mine]?.promise;
        await touch(db, second);
      });
    await Promise.all([crossing(0, "a", "b"), crossing(1, "b", "a")]);
    expect(runs).toBeGreaterThan(2);
  });
});
