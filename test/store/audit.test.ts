/** That the database itself keeps the audit trail as it is. */
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { forgetAudit, insertAudit, listAudit } from "../../src/store/audit.ts";
import { openStore, type Store } from "../../src/store/db.ts";
import type { AuditRow } from "../../src/store/tables.ts";
import { engines, type TestDatabase } from "../helpers/engines.ts";

const row = (day: number): AuditRow => ({
  id: `entry-${day}`,
  at: `2026-01-0${day}T00:00:00.000Z`,
  actor: "u",
  action: "token.create",
  subject: "t",
  detail: null,
  outcome: "ok",
  from_address: null,
  request_id: null,
});

describe.each(engines)("O-03 the audit trail on $engine", ({ create, engine }) => {
  let database: TestDatabase;
  let store: Store;
  const all = [1, 2, 3, 4].map(row);
  const stored = () => store.read((db) => listAudit(db, { limit: 10 }));
  beforeAll(async () => {
    database = await create();
    store = await openStore({ url: database.url });
    await store.write(async (tx) => {
      for (const entry of all) await insertAudit(tx, entry);
    });
  });
  afterAll(async () => {
    await store.close();
    await database.drop();
  });

  const forbidden: Record<string, string> = {
    "changing an entry": "update audit set actor = 'somebody else' where id = 'entry-1'",
    "changing all": "update audit set outcome = 'ok'",
    "deleting an entry": "delete from audit where id = 'entry-1'",
    "deleting all": "delete from audit",
    ...(engine === "postgres" ? { truncating: "truncate audit" } : {}),
  };
  test.each(Object.entries(forbidden))("O-03 %s is refused", async (_what, statement) => {
    const trying = store.write((tx) => sql.raw(statement).execute(tx.db));
    await expect(trying).rejects.toThrow("the audit trail is append-only");
    expect(await stored()).toEqual(all.toReversed());
  });

  test("O-03 an entry that comes again changes nothing, also where it would replace", async () => {
    await store.write((tx) => insertAudit(tx, { ...row(1), actor: "somebody else" }));
    if (engine === "sqlite")
      await store.write((tx) =>
        sql
          .raw(
            "insert or replace into audit (id, at, actor, action, subject) values ('entry-1', '2026', 'x', 'x', 'x')",
          )
          .execute(tx.db),
      );
    expect(await stored()).toEqual(all.toReversed());
  });

  test("O-03 only retention deletes, a bounded number, and nothing that is younger", async () => {
    const forget = (limit: number) => store.write((tx) => forgetAudit(tx, row(4).at, limit));
    expect(await forget(2)).toBe(2);
    expect((await stored()).map(({ id }) => id)).toEqual(["entry-4", "entry-3"]);
    expect([await forget(2), await forget(2)]).toEqual([1, 0]);
    expect((await stored()).map(({ id }) => id)).toEqual(["entry-4"]);
    // What it was allowed was for its own transactions.
    const late = store.write((tx) => sql.raw("delete from audit").execute(tx.db));
    await expect(late).rejects.toThrow("append-only");
  });
});
