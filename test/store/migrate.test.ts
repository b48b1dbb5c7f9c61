import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/db.ts";
import { type Engine, openEngine } from "../../src/store/engine.ts";
import { MIGRATIONS, migrate } from "../../src/store/migrate.ts";
import { engines } from "../helpers/engines.ts";
import { table } from "../helpers/migrations.ts";

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

  test("B-03 who and what was there before tokens had scopes and entries an outcome is there as it was", async () => {
    const { engine } = await openEmpty();
    const at = "2026-01-05T08:00:00.000Z";
    await migrate(engine, MIGRATIONS.slice(0, 15));
    for (const [id, role] of [
      ["root", "admin"],
      ["ann", "user"],
    ] as const) {
      await sql`insert into users (id, name, role, created_at) values (${id}, ${id}, ${role}, ${at})`.execute(
        engine.writer,
      );
      await sql`insert into tokens (id, user_id, hash, label, created_at)
        values (${id}, ${id}, ${id}, 'laptop', ${at})`.execute(engine.writer);
    }
    await sql`insert into audit (id, at, actor, action, subject) values ('a', ${at}, 'root', 'x.y', 'z')`.execute(
      engine.writer,
    );
    await migrate(engine);
    const rows = <T extends "users" | "tokens" | "audit">(name: T) =>
      engine.reader
        .selectFrom(name as "users")
        .selectAll()
        .orderBy("id")
        .execute();
    expect(await rows("users")).toMatchObject([{ id: "ann", disabled_at: null }, { id: "root" }]);
    expect(await rows("tokens")).toMatchObject([
      { id: "ann", hash: "ann", scope: "user", revoked_at: null },
      { id: "root", scope: "admin" },
    ]);
    expect(await rows("audit")).toMatchObject([{ id: "a", subject: "z", outcome: "ok", from_address: null }]);
    await expect(sql`delete from audit`.execute(engine.writer)).rejects.toThrow(/append-only/);
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
