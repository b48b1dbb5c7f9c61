/** Statements of SQLite are prepared once and kept: to prepare one costs as much as to run it. */
import type Database from "better-sqlite3";
import type { SqliteDatabase } from "kysely";

/** Most texts come again and again; those with lists of values come in many lengths, and the oldest make room. */
const KEPT = 500;

/** The same database for kysely, whose statements are run to their end at once, so that one can be used again. */
export function withKeptStatements(database: Database.Database): SqliteDatabase {
  const kept = new Map<string, Database.Statement>();
  return {
    close: () => void database.close(),
    prepare(sql) {
      const known = kept.get(sql);
      if (known) return known;
      const [oldest] = kept.keys();
      if (oldest !== undefined && kept.size >= KEPT) kept.delete(oldest);
      const statement = database.prepare(sql);
      kept.set(sql, statement);
      return statement;
    },
  };
}
