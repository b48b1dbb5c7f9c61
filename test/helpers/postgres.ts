/** Databases on the test run's PostgreSQL server. */
import { randomBytes } from "node:crypto";
import pg from "pg";
import { inject } from "vitest";

/** One statement as superuser; in `database`, or in the server's own. */
export async function asSuperuser(statement: string, database = "postgres"): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: `${inject("postgresUrl")}/${database}` });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

export interface PostgresDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** An empty database of its own. */
export async function createDatabase(): Promise<PostgresDatabase> {
  const name = `gd_${randomBytes(6).toString("hex")}`;
  await asSuperuser(`create database ${name}`);
  return {
    name,
    url: `${inject("postgresUrl")}/${name}`,
    drop: async () => {
      await asSuperuser(`drop database ${name} with (force)`);
    },
  };
}
