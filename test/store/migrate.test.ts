import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/db.ts";
import { type Engine, openEngine } from "../../src/store/engine.ts";
import { MIGRATIONS, type Migration, migrate } from "../../src/store/migrate.ts";
import { engines } from "../helpers/engines.ts";

const table = (number: number, ...statements: string[]): Migration => ({
  number,
  name: `000${number}-test`,
  statements: () => [`create table t${number} (x integer)`, ...statements],
});

describe.each(engines)("B-03 migrations on $engine", ({ create, engine: name }) => {
  async function openEmpty(): Promise<{ engine: Engine; url: string }> {
    const database = await create();
    const engine = openEngine(database.url);
    onTestFinished(async () => {
      await engine.close();
      await database.drop();
    });
    return { engine, url: database.url };
  }
  const applied = async (engine: Engine) =>
    (await engine.reader.selectFrom("schema_migrations").select("number").orderBy("number").execute()).map(
      (row) => row.number,
    );

  test("B-03 each is applied once, in order, also when many start at once", async () => {
    const { engine, url } = await openEmpty();
    // SQLite's file belongs to one server, so that the others are on the same engine there.
    const others = name === "postgres" ? [openEngine(url), openEngine(url)] : [engine, engine];
    await Promise.all([engine, ...others].map((e) => migrate(e, [table(1), table(2), table(3)])));
    if (name === "postgres") await Promise.all(others.map((e) => e.close()));
    expect(await applied(engine)).toEqual([1, 2, 3]);
  });

  test("B-03 one that fails is undone, stops the start, and its file is named", async () => {
    const { engine } = await openEmpty();
    const broken = [table(1), table(2, "insert into nowhere values (1)"), table(3)];
    await expect(migrate(engine, broken)).rejects.toThrow(/^migration 0002-test failed and was undone: /);
    expect(await applied(engine)).toEqual([1]);
    await expect(sql`select * from t2`.execute(engine.reader)).rejects.toThrow();
    await migrate(engine, [table(1), table(2), table(3)]);
    expect(await applied(engine)).toEqual([1, 2, 3]);
  });

  test("B-03 a newer schema is refused by an older server", async () => {
    const { engine } = await openEmpty();
    await migrate(engine, [table(1), table(2)]);
    await expect(migrate(engine, [table(1)])).rejects.toThrow(
      "the database's schema has 0002-test, which this server does not know: a newer server made it; upgrade this one",
    );
  });

  test("B-03 opening again changes nothing", async () => {
    const database = await create();
    onTestFinished(() => database.drop());
    const seen = [];
    for (let i = 0; i < 2; i++) {
      const store = await openStore({ url: database.url });
      seen.push(await store.read((db) => db.selectFrom("schema_migrations").selectAll().execute()));
      await store.close();
    }
    expect(seen[0]).toHaveLength(MIGRATIONS.length);
    expect(seen[1]).toEqual(seen[0]);
  });
});
