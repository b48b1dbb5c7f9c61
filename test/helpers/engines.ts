/** Both database engines: `describe.each(engines)` runs a suite on each. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
