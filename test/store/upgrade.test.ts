/** A database that is large, in use, or whose server was killed while it was brought to this version's schema. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { sql } from "kysely";
import pg from "pg";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type Engine, openEngine } from "../../src/store/engine.ts";
import { MIGRATIONS, migrate, type Progress } from "../../src/store/migrate.ts";
import { engines } from "../helpers/engines.ts";
import { slowStatement, table } from "../helpers/migrations.ts";

const SCRIPT = join(import.meta.dirname, "..", "helpers", "migrating-process.ts");
const ENTRIES = 60_000;

const MANY = {
  sqlite: `insert into audit (id, at, actor, action, subject)
    with recursive n (i) as (select 1 union all select i + 1 from n where i < ${ENTRIES})
    select 'e' || i, '2026-01-05T08:00:00.000Z', 'u' || (i % 50), 'x.y', 's' || i from n`,
  postgres: `insert into audit (id, at, actor, action, subject)
    select 'e' || i, '2026-01-05T08:00:00.000Z', 'u' || (i % 50), 'x.y', 's' || i from generate_series(1, ${ENTRIES}) i`,
};

/** Of who waits for nobody for long. */
const HASTE = { lockMs: 50, pauseMs: 10, giveUpMs: 60_000 };

/** What was told, and a promise of the first that others are waited for. */
function listener(): { told: string[]; waits: Promise<string>; progress: Progress } {
  const told: string[] = [];
  const waiting = Promise.withResolvers<string>();
  return {
    told,
    waits: waiting.promise,
    progress: {
      begins: (name) => void told.push(`begins ${name}`),
      done: (name) => void told.push(`done ${name}`),
      waits(name, whose) {
        told.push(`waits ${name}`);
        waiting.resolve(whose);
      },
    },
  };
}

describe.each(engines)("B-03 an upgrade on $engine", ({ create, engine: name }) => {
  async function database(): Promise<{ url: string; open: (url?: string) => Engine }> {
    const made = await create();
    const opened: Engine[] = [];
    onTestFinished(async () => {
      await Promise.all(opened.map((engine) => engine.close()));
      await made.drop();
    });
    const open = (url = made.url) => {
      const engine = openEngine(url);
      opened.push(engine);
      return engine;
    };
    return { url: made.url, open };
  }

  test("B-03 a table that is large gets its indexes, however long that takes, and it is told which one runs", async () => {
    const { url, open } = await database();
    await migrate(open(), MIGRATIONS.slice(0, 23));
    await sql.raw(MANY[name]).execute(open().writer);
    // What a statement of the server may take; the indexes take longer.
    const hurried = name === "postgres" ? open(`${url}?statement_timeout=10`) : open();
    const { told, progress } = listener();
    await migrate(hurried, MIGRATIONS.slice(0, 24), progress);
    expect(told).toEqual(["begins 0024-audit-trail", "done 0024-audit-trail"]);
    const { rows } = await sql<{ n: unknown }>`select count(*) as n from audit where outcome = 'ok'`.execute(
      open().reader,
    );
    expect(Number(rows[0]?.n)).toBe(ENTRIES);
  });

  test("B-03 nothing is told of a database that is new", async () => {
    const { open } = await database();
    const { told, progress } = listener();
    await migrate(open(), [table(1), table(2)], progress);
    expect(told).toEqual([]);
  });

  test("B-03 one that is killed in the middle leaves what the next start finishes", async () => {
    const { url, open } = await database();
    const child = spawn(process.execPath, [SCRIPT, url], { stdio: ["ignore", "pipe", "inherit"] });
    const gone = once(child, "exit");
    await once(child.stdout, "data");
    child.kill("SIGKILL");
    await gone;
    const engine = open();
    const { told, progress } = listener();
    await migrate(engine, [table(1), table(2)], progress);
    expect(told).toEqual(["begins 0002-test", "done 0002-test"]);
    const { rows } = await sql`select * from t2`.execute(engine.reader);
    expect(rows).toEqual([]);
  });

  test("B-03 two servers that migrate at once wait for each other, however long one takes", async () => {
    const { url, open } = await database();
    const [one, two] = [open(name === "postgres" ? `${url}?statement_timeout=100` : url), open()];
    const all = [table(1), table(2, slowStatement(name, 500))];
    await Promise.all([one, two].map((engine) => migrate(engine, all)));
    const done = await two.reader.selectFrom("schema_migrations").select("number").execute();
    expect(done.map((row) => row.number).sort()).toEqual([1, 2]);
  });
});

describe("B-03 an upgrade that others keep from its locks", () => {
  async function open() {
    const postgres = engines.find((one) => one.engine === "postgres");
    const database = await postgres?.create();
    const url = database?.url ?? "";
    const engine = openEngine(url);
    const other = new pg.Client({ connectionString: url });
    onTestFinished(async () => {
      await other.end();
      await engine.close();
      await database?.drop();
    });
    await migrate(engine, [table(1)]);
    await other.connect();
    const change = [table(1), table(2, "alter table t1 add column y integer")];
    return { engine, other, change };
  }

  test("B-03 a table that others use is waited for, and nobody behind for long", async () => {
    const { engine, other, change } = await open();
    await other.query("begin; lock table t1 in access share mode");
    const { told, waits, progress } = listener();
    const migrated = migrate(engine, change, progress, HASTE);
    expect(await waits).toBe("those who use its tables");
    // Its lock is not even asked for now, so that others get theirs.
    await sql`select x from t1`.execute(engine.reader);
    await other.query("commit");
    await migrated;
    expect(told).toEqual(["begins 0002-test", "waits 0002-test", "done 0002-test"]);
  });

  test("B-03 who uses a table for too long ends the start, and it is told why", async () => {
    const { engine, other, change } = await open();
    await other.query("begin; lock table t1 in access share mode");
    await expect(migrate(engine, change, undefined, { ...HASTE, giveUpMs: 1 })).rejects.toThrow(
      "migration 0002-test failed and was undone: canceling statement due to lock timeout",
    );
  });

  test("B-03 another server that migrates is waited for as long as it lives, and it is told once which one", async () => {
    const { engine, other, change } = await open();
    await other.query("begin; select pg_advisory_xact_lock(7205001)");
    const { rows } = await other.query("select pg_backend_pid() as pid");
    const { told, waits, progress } = listener();
    const tries = vi.spyOn(engine, "lock");
    const migrated = migrate(engine, change, progress, { ...HASTE, giveUpMs: 0 });
    expect(await waits).toMatch(
      new RegExp(`^the server that migrates it: session ${rows[0].pid} of the database.*, since 2`),
    );
    await expect.poll(() => tries.mock.calls.length, { timeout: 60_000 }).toBeGreaterThan(3);
    // A server that is killed lets go, too.
    await other.query("rollback");
    await migrated;
    expect(told).toEqual(["waits schema_migrations", "begins 0002-test", "done 0002-test"]);
  });
});
