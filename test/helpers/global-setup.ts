/** What the whole test run shares: one PostgreSQL server, with a database per test file (helpers/postgres.ts). */
import type { TestProject } from "vitest/node";
import { startPostgres } from "./postgres-server.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** Of a superuser, without a database name at the end. */
    postgresUrl: string;
  }
}

export default async function setup(project: TestProject): Promise<() => void> {
  const { url, stop } = await startPostgres();
  project.provide("postgresUrl", url);
  return stop;
}
