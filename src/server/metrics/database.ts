/** What this process has open to the database. */
import type { Core } from "../../core/core.ts";
import type { Families } from "./families.ts";

const POOLS = ["read", "write"] as const;

/** Declares them; the answer sets them as they are now, at zero on SQLite, which has no pool. */
export function databaseFamilies(families: Families, { store }: Pick<Core, "store">): () => void {
  const connections = families.gauge(
    "gpu_dev_database_connections",
    "Connections of this process to PostgreSQL, by pool; ten of each at most",
    { pool: POOLS, state: ["in_use", "idle"] },
  );
  const waiting = families.gauge(
    "gpu_dev_database_waiting",
    "Transactions of this process that wait for a connection of the pool",
    { pool: POOLS },
  );
  return () => {
    for (const { pool, inUse, idle, waiting: who } of store.pools()) {
      connections.set({ pool, state: "in_use" }, inUse);
      connections.set({ pool, state: "idle" }, idle);
      waiting.set({ pool }, who);
    }
  };
}
