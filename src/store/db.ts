/** The store: one database behind reads that see one snapshot and writes that are one transaction. */
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "../api/errors.ts";
import { type Engine, type LockName, openEngine, type PoolUse } from "./engine.ts";
import { MIGRATIONS, migrate, type Progress } from "./migrate.ts";
import type { Watcher } from "./notices.ts";
import type { Db } from "./tables.ts";
import { createTurns } from "./turns.ts";

export interface Clock {
  now(): Date;
}

/** A write transaction. */
export interface Tx {
  readonly db: Db;
  readonly engine: Engine;
  /** The database's time, read after the locks were taken. */
  readonly now: Date;
  /** The same as it is stored. */
  readonly at: string;
  /** Reservations that it changes: whoever watches is told once it is committed. */
  readonly touched: Set<string>;
}

export interface Store {
  readonly engine: "sqlite" | "postgres";
  /** The database's time; of SQLite that is this process's, for which nothing is asked. */
  now(): Promise<Date>;
  /** Reads a row, to find out whether the database answers. */
  ping(): Promise<void>;
  /** All statements of `work` see one snapshot; `now` is the database's time. Run again, for a moment, if the connection breaks: it must only read. */
  read<T>(work: (db: Db, now: Date) => Promise<T>): Promise<T>;
  /** One transaction, run again (bounded) when the database undoes it because of others: no side effects in `work`. */
  write<T>(work: (tx: Tx) => Promise<T>, options?: { readonly lock?: LockName }): Promise<T>;
  /** Tells of changed reservations, after their commit, until the store is closed: at once those of this process, those of others as they are heard of. */
  watch(watcher: Watcher): void;
  /** How the connections of this process are used at this moment; empty on SQLite, which has no pool. */
  pools(): readonly PoolUse[];
  close(): Promise<void>;
}

export interface StoreOptions {
  /** `sqlite:/path/to/file` or `postgres://…`. */
  readonly url: string;
  /** Instead of the database's own clock, for tests. */
  readonly clock?: Clock;
  /** Told of an upgrade of the schema. */
  readonly migration?: Progress;
}

const TRIES = 8;
/** One broken connection after another is tried for this long: all of a pool may be broken at once, as after a restart. */
const READ_PATIENCE_MS = 1000;

/** Opens and migrates. Throws with words when it cannot; then nothing is left open. */
export async function openStore(options: StoreOptions): Promise<Store> {
  const engine = openEngine(options.url);
  try {
    await migrate(engine, MIGRATIONS, options.migration);
  } catch (error) {
    await engine.close();
    throw error;
  }
  return storeOn(engine, options.clock);
}

function storeOn(engine: Engine, clock: Clock | undefined): Store {
  const turns = createTurns();
  const now = async (db: Db): Promise<Date> => clock?.now() ?? (await engine.now(db));
  const watchers: Watcher[] = [];
  const listeners: { close(): Promise<void> }[] = [];
  return {
    engine: engine.name,
    now: () => answered(engine, "read", () => now(engine.reader)),
    async ping() {
      await answered(engine, "read", () => engine.reader.selectFrom("meta").select("key").limit(1).execute());
    },
    read: (work) =>
      answered(engine, "read", () =>
        engine.reader
          .transaction()
          .setIsolationLevel("repeatable read")
          .setAccessMode("read only")
          .execute(async (db) => work(db, await now(db))),
      ),
    async write(work, { lock } = {}) {
      const write = () =>
        answered(engine, "write", () =>
          engine.writer.transaction().execute(async (db) => {
            if (lock) await engine.lock(db, lock);
            const time = await now(db);
            const changed = new Set<string>();
            const done = await work({ db, engine, now: time, at: time.toISOString(), touched: changed });
            if (changed.size > 0) await engine.notices?.send(db, [...changed]);
            return { result: done, touched: [...changed] };
          }),
        );
      const { result, touched } = await (lock ? turns.take(lock, write) : write());
      if (touched.length > 0) for (const watcher of watchers) watcher.changed(touched, false);
      return result;
    },
    watch(watcher) {
      watchers.push(watcher);
      const listening = engine.notices?.listen(watcher);
      if (listening) listeners.push(listening);
    },
    pools: () => engine.pools(),
    async close() {
      await Promise.all([...listeners.map((listening) => listening.close()), engine.close()]);
    },
  };
}

/** `work`, again while the database says "try again"; a reader also after a broken connection. What stays is `unavailable`. */
async function answered<T>(engine: Engine, kind: "read" | "write", work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  for (let tried = 1; ; tried++) {
    try {
      return await work();
    } catch (cause) {
      const fault = engine.fault(cause);
      if (fault === undefined) throw cause;
      // A write whose connection broke may have been committed: only its caller can know what to do.
      const again = fault === "retry" || (kind === "read" && performance.now() - began < READ_PATIENCE_MS);
      if (again && tried < TRIES) {
        await pause(Math.random() * 10 * 2 ** tried);
        continue;
      }
      throw new Problem("unavailable", "the database does not answer now; try again", {
        retryAfter: 1,
        cause,
      });
    }
  }
}
