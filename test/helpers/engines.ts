/** Both database engines: `describe.each(engines)` runs a suite on each. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { createDatabase } from "./postgres.ts";

export interface TestDatabase {
  /** For openStore. */
  readonly url: string;
  drop(): Promise<void>;
}

export interface TestEngine {
  readonly engine: "sqlite" | "postgres";
  /** An empty database of its own. */
  create(): Promise<TestDatabase>;
}

export const sqlite: TestEngine = {
  engine: "sqlite",
  async create() {
    const dir = await mkdtemp(join(tmpdir(), "gpu-dev-test-"));
    return { url: `sqlite:${join(dir, "test.db")}`, drop: () => rm(dir, { recursive: true }) };
  },
};

export const engines: readonly TestEngine[] = [sqlite, { engine: "postgres", create: createDatabase }];

/** For a suite: makes one database after another, and drops all of them at its end. */
export function freshDatabases(create: TestEngine["create"]): () => Promise<TestDatabase> {
  const made: TestDatabase[] = [];
  afterAll(() => Promise.all(made.map((database) => database.drop())));
  return async () => {
    const database = await create();
    made.push(database);
    return database;
  };
}
