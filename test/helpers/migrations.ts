/** Migrations of the tests' own. */
import type { Engine } from "../../src/store/engine.ts";
import type { Migration } from "../../src/store/migrate.ts";

/** Makes the table `t<number>`, and whatever else. */
export const table = (number: number, ...statements: string[]): Migration => ({
  number,
  name: `000${number}-test`,
  statements: () => [`create table t${number} (x integer)`, ...statements],
});

/** Lasts `ms`, or on SQLite for as many thousands of rows. */
export const slowStatement = (engine: Engine["name"], ms: number): string =>
  engine === "postgres"
    ? `select pg_sleep(${ms / 1000})`
    : `with recursive c (x) as (select 1 union all select x + 1 from c where x < ${ms * 1000}) insert into t2 select max(x) from c`;
