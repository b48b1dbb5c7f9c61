/** All that differs between SQLite and PostgreSQL: opening, locking, claiming, the clock, and what an error means. */
import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import Database from "better-sqlite3";
import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresDialect,
  SqliteDialect,
  SqliteDriver,
  sql,
} from "kysely";
import pg from "pg";
import { lockHolder } from "./lock-holder.ts";
import { createNotices, type Notices } from "./notices.ts";
import { Sockets } from "./sockets.ts";
import { keepRoom } from "./sqlite-room.ts";
import { withKeptStatements } from "./statements.ts";
import type { Db, Tables } from "./tables.ts";

export interface Engine {
  readonly name: "sqlite" | "postgres";
  readonly writer: Db;
  /** On SQLite a connection of its own, so that readers never wait for the writer. */
  readonly reader: Db;
  /** Type of a text column; compared byte by byte, so that both engines sort alike. */
  readonly textType: string;
  /** For statements that may last; a lock that others keep is waited for so long. */
  openPatient(lockMs: number): Patient;
  /** Who holds the lock "migrate", in words. */
  migrating(): Promise<string>;
  /** Held until the end of the transaction; SQLite's write transactions exclude each other anyway. */
  lock(tx: Db, name: LockName): Promise<void>;
  /** The rows of this subquery are this transaction's, and those that another one holds are passed over. */
  skipLocked<Q extends { forUpdate(): Q; skipLocked(): Q }>(query: Q): Q;
  /** What this query finds stays as it is until the end of the transaction; on SQLite all does. */
  holding<Q extends { forShare(): Q }>(query: Q): Q;
  /** How other servers hear of changes; undefined where there can be no other. */
  readonly notices: Notices | undefined;
  /** How its pools are used now; none where there is no pool. */
  pools(): readonly PoolUse[];
  now(db: Db): Promise<Date>;
  /** "retry": undone by the database because of others; "unavailable": it could not be asked or could not answer. */
  fault(error: unknown): "retry" | "unavailable" | undefined;
  close(): Promise<void>;
}

export interface PoolUse {
  readonly pool: "read" | "write";
  /** Connections. */
  readonly inUse: number;
  readonly idle: number;
  /** Who waits for one. */
  readonly waiting: number;
}

/** A connection of its own on which only a lock that others keep makes a statement fail. */
export interface Patient {
  transaction<T>(work: (tx: Db) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

const LOCKS = { migrate: 7_205_001, schedule: 7_205_002, usage: 7_205_003, users: 7_205_004 } as const;
export type LockName = keyof typeof LOCKS;

/** How long one process may stand still for another one's write transaction; beyond that it waits without standing still. */
const BUSY_MS = 20;
const BUSY_PATIENCE_MS = 10_000;
const OPEN_PATIENCE_MS = 10_000;
const POOL_SIZE = 10;
/** Also how long one may wait for a connection of the pool: a burst of hundreds of creates stands in line for the schedule. */
const CONNECT_MS = 30_000;
const STATEMENT_MS = 10_000;

/** Opens `sqlite:/path` or `postgres://…`. Throws with words for a URL it cannot read, or a SQLite file that it cannot open. */
export function openEngine(url: string): Engine {
  if (url.startsWith("sqlite:")) return openSqlite(url.slice("sqlite:".length));
  if (/^postgres(ql)?:\/\//.test(url)) return openPostgres(url);
  throw new Error("the database URL must be sqlite:/path/to/file or postgres://user@host/name");
}

/** Write transactions take the lock when they begin, so that none fails half-way because it only read at first. */
class ImmediateDriver extends SqliteDriver {
  readonly #database: Database.Database;
  constructor(database: Database.Database) {
    super({ database: withKeptStatements(database) });
    this.#database = database;
  }
  /** Another process may be writing: this one goes on with other things until it is done. */
  override async beginTransaction(connection: DatabaseConnection): Promise<void> {
    const until = performance.now() + BUSY_PATIENCE_MS;
    for (;;) {
      try {
        await connection.executeQuery(CompiledQuery.raw("begin immediate"));
        return;
      } catch (error) {
        if (sqliteFault(error) !== "retry" || performance.now() > until) throw error;
        await pause(1 + Math.random() * 9);
      }
    }
  }
  /** SQLite undoes a transaction by itself when the disk is full; a rollback would then hide that error behind its own. */
  override async rollbackTransaction(connection: DatabaseConnection): Promise<void> {
    if (this.#database.inTransaction) await super.rollbackTransaction(connection);
  }
}

class ImmediateDialect extends SqliteDialect {
  readonly #database: Database.Database;
  constructor(database: Database.Database) {
    super({ database });
    this.#database = database;
  }
  override createDriver(): Driver {
    return new ImmediateDriver(this.#database);
  }
}

function openSqlite(path: string): Engine {
  if (!existsSync(dirname(path))) throw new Error(`the directory of the database ${path} does not exist`);
  const [writing, reading] = openPair(path);
  const writer = new Kysely<Tables>({ dialect: new ImmediateDialect(writing) });
  const reader = new Kysely<Tables>({
    dialect: new SqliteDialect({ database: withKeptStatements(reading) }),
  });
  return {
    name: "sqlite",
    writer,
    reader,
    openPatient: () => ({
      transaction: (work) => writer.transaction().execute(work),
      close: async () => undefined,
    }),
    // Whoever keeps a process from writing is alive.
    migrating: async () => "another process that writes to it",
    textType: "text",
    lock: async () => undefined,
    skipLocked: (query) => query,
    holding: (query) => query,
    notices: undefined,
    pools: () => [],
    now: async () => new Date(),
    fault: sqliteFault,
    async close() {
      await Promise.all([writer.destroy(), reader.destroy()]);
      // Kysely closes only what it has used.
      for (const database of [reading, writing]) database.close();
    },
  };
}

/** One process at a time: switching a new file to its log, and making room, bear no other one. */
function openPair(path: string): [Database.Database, Database.Database] {
  const turn = new Database(`${path}.lock`, { timeout: OPEN_PATIENCE_MS });
  try {
    turn.exec("begin exclusive");
    const writing = new Database(path, { timeout: OPEN_PATIENCE_MS });
    writing.pragma("journal_mode = wal");
    writing.pragma("synchronous = full");
    writing.pragma("foreign_keys = on");
    keepRoom(writing);
    writing.pragma(`busy_timeout = ${BUSY_MS}`);
    const reading = new Database(path, { timeout: OPEN_PATIENCE_MS, readonly: true });
    return [writing, reading];
  } catch (cause) {
    throw new Error(`the database ${path} cannot be opened`, { cause });
  } finally {
    turn.close();
  }
}

function sqliteFault(error: unknown): ReturnType<Engine["fault"]> {
  const code = codeOf(error);
  if (code.startsWith("SQLITE_BUSY") || code.startsWith("SQLITE_LOCKED")) return "retry";
  return /^SQLITE_(FULL|IOERR|CANTOPEN|READONLY)/.test(code) ? "unavailable" : undefined;
}

function openPostgres(url: string): Engine {
  const sockets = new Sockets();
  const write = openPool(url, sockets);
  // Writers queue for the schedule lock, each with its connection: readers must not stand behind them.
  const read = openPool(url, sockets);
  const [writer, reader] = [kyselyOn(write), kyselyOn(read)];
  return {
    name: "postgres",
    writer,
    reader,
    openPatient: (lockMs) =>
      openPatient(kyselyOn(openPool(url, sockets, { max: 1, query_timeout: 0 })), lockMs),
    migrating: () => lockHolder(reader, LOCKS.migrate),
    textType: `text collate "C"`,
    async lock(tx, name) {
      await sql`select pg_advisory_xact_lock(${sql.lit(LOCKS[name])})`.execute(tx);
    },
    skipLocked: (query) => query.forUpdate().skipLocked(),
    holding: (query) => query.forShare(),
    notices: createNotices(url),
    pools: () => [useOf("read", read), useOf("write", write)],
    async now(on) {
      const { rows } = await sql<{ now: Date }>`select clock_timestamp() as now`.execute(on);
      if (!(rows[0]?.now instanceof Date)) throw new Error("the database did not tell the time");
      return rows[0].now;
    },
    fault: postgresFault,
    close: () => sockets.closed(Promise.all([writer.destroy(), reader.destroy()])),
  };
}

/** Set within each transaction: what the URL, the role or the database says goes before what a connection asks for. */
function openPatient(db: Db, lockMs: number): Patient {
  return {
    transaction: (work) =>
      db.transaction().execute(async (tx) => {
        await sql`set local statement_timeout = 0`.execute(tx);
        await sql`set local lock_timeout = ${sql.lit(lockMs)}`.execute(tx);
        return work(tx);
      }),
    close: () => db.destroy(),
  };
}

function openPool(url: string, sockets: Sockets, instead: pg.PoolConfig = {}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    max: POOL_SIZE,
    stream: sockets.create,
    connectionTimeoutMillis: CONNECT_MS,
    idleTimeoutMillis: 30_000,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: 30_000,
    // The server's own timeout is the first to strike; this one is for a server that does not answer at all.
    query_timeout: STATEMENT_MS + 5000,
    keepAlive: true,
    application_name: "gpu-dev",
    ...instead,
  });
  // Without listeners the event of a broken connection would end the process. An idle one the pool has thrown away by
  // then; for one in use the statement fails as well, and the pool throws it away when it is given back.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

const kyselyOn = (pool: pg.Pool): Db => new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });

const useOf = (pool: PoolUse["pool"], { totalCount, idleCount, waitingCount }: pg.Pool): PoolUse => ({
  pool,
  inUse: totalCount - idleCount,
  idle: idleCount,
  waiting: waitingCount,
});

/** SQLSTATE: 40001 serialization, 40P01 deadlock, 55P03 lock; classes 08, 53, 57 and the socket's errors: not answered. */
function postgresFault(error: unknown): ReturnType<Engine["fault"]> {
  const code = codeOf(error);
  if (["40001", "40P01", "55P03"].includes(code)) return "retry";
  if (/^(08|53|57)...$/.test(code) || /^E[A-Z]+$/.test(code)) return "unavailable";
  // pg gives these no code.
  const words = error instanceof Error ? error.message : "";
  return /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable/.test(
    words,
  )
    ? "unavailable"
    : undefined;
}

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
