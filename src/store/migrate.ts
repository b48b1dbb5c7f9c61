/** Brings a database to this version's schema. Migrations are numbered and append-only; each is one transaction. */
import { setTimeout as pause } from "node:timers/promises";
import { sql } from "kysely";
import type { Engine, Patient } from "./engine.ts";
import { first } from "./migrations/0001-first.ts";
import { promises } from "./migrations/0002-promises.ts";
import { warnings } from "./migrations/0003-warnings.ts";
import { devices } from "./migrations/0004-devices.ts";
import { phases } from "./migrations/0005-phases.ts";
import { servers } from "./migrations/0006-servers.ts";
import { reservationsByState } from "./migrations/0007-reservations-by-state.ts";
import { collaborators } from "./migrations/0008-collaborators.ts";
import { podTokens } from "./migrations/0009-pod-tokens.ts";
import { idle } from "./migrations/0010-idle.ts";
import { cordons } from "./migrations/0011-cordons.ts";
import { planIndexes } from "./migrations/0012-plan-indexes.ts";
import { openTunnels } from "./migrations/0013-open-tunnels.ts";
import { webhooks } from "./migrations/0014-webhooks.ts";
import { disks } from "./migrations/0015-disks.ts";
import { planChanges } from "./migrations/0016-plan-changes.ts";
import { sshAttempts } from "./migrations/0017-ssh-attempts.ts";
import { tallies } from "./migrations/0018-tallies.ts";
import { accounts } from "./migrations/0019-accounts.ts";
import { reservationsByEnd } from "./migrations/0020-reservations-by-end.ts";
import { disksInUse } from "./migrations/0021-disks-in-use.ts";
import { quotas } from "./migrations/0022-quotas.ts";
import { logins } from "./migrations/0023-logins.ts";
import { auditTrail } from "./migrations/0024-audit-trail.ts";
import { quotaLines } from "./migrations/0025-quota-lines.ts";
import { tokenMakers } from "./migrations/0026-token-makers.ts";
import { diskHosts } from "./migrations/0027-disk-hosts.ts";
import { images } from "./migrations/0028-images.ts";
import { identityMakers } from "./migrations/0029-identity-makers.ts";
import { diskRetention } from "./migrations/0030-disk-retention.ts";
import { nodeLabels } from "./migrations/0031-node-labels.ts";
import { nodeFaults } from "./migrations/0032-node-faults.ts";
import { unhealthySince } from "./migrations/0033-unhealthy-since.ts";
import { lostDisks } from "./migrations/0034-lost-disks.ts";
import type { Db } from "./tables.ts";

export interface Migration {
  readonly number: number;
  /** The name of its file. */
  readonly name: string;
  /** Statements for this engine; `text` is the type of a text column. */
  statements(text: string, engine: Engine["name"]): readonly string[];
}

/** All of this version, in order. */
export const MIGRATIONS: readonly Migration[] = [
  first,
  promises,
  warnings,
  devices,
  phases,
  servers,
  reservationsByState,
  collaborators,
  podTokens,
  idle,
  cordons,
  planIndexes,
  openTunnels,
  webhooks,
  disks,
  planChanges,
  sshAttempts,
  tallies,
  accounts,
  reservationsByEnd,
  disksInUse,
  quotas,
  logins,
  auditTrail,
  quotaLines,
  tokenMakers,
  diskHosts,
  images,
  identityMakers,
  diskRetention,
  nodeLabels,
  nodeFaults,
  unhealthySince,
  lostDisks,
];

/** What is told of an upgrade while it lasts; nothing of a database that was empty. */
export interface Progress {
  begins(migration: string): void;
  done(migration: string, ms: number): void;
  /** Others have locks that it needs, `whose` in words: another server that migrates, or whoever works on the tables. Told once of either. */
  waits(migration: string, whose: string): void;
}

const SILENT: Progress = { begins: () => undefined, done: () => undefined, waits: () => undefined };

interface Patience {
  /** Shorter than what a statement may take: whoever needs the table queues behind the one that waits for its lock. */
  readonly lockMs: number;
  /** Between two tries, when others get their locks. */
  readonly pauseMs: number;
  /** How long those are waited for who use the tables; another server that migrates, for as long as it lives. */
  readonly giveUpMs: number;
}
const PATIENCE: Patience = { lockMs: 4000, pauseMs: 2000, giveUpMs: 10 * 60_000 };

/**
 * Applies what is missing. Safe against servers that start at the same time: whoever comes second finds it done.
 * Throws with the file's name when one fails, and for a schema that is newer than this server.
 */
export async function migrate(
  engine: Engine,
  migrations = MIGRATIONS,
  told = SILENT,
  patience = PATIENCE,
): Promise<void> {
  const patient = engine.openPatient(patience.lockMs);
  const insist: Insist = (work, onWait) => insistOn(engine, patience, work, onWait);
  try {
    const done = await insist(
      (locked) => patient.transaction((tx) => readApplied(engine, tx, locked)),
      (whose) => told.waits("schema_migrations", whose),
    );
    refuseForeign(done, migrations);
    const progress = done.length === 0 ? SILENT : told;
    for (const migration of migrations)
      if (!done.some(({ number }) => number === migration.number))
        await applyOnce(insist, (work) => patient.transaction(work), { engine, migration, told: progress });
  } finally {
    await patient.close();
  }
}

async function readApplied(engine: Engine, tx: Db, locked: () => void) {
  await engine.lock(tx, "migrate");
  locked();
  await sql
    .raw(
      `create table if not exists schema_migrations
      (number integer primary key, name ${engine.textType} not null, applied_at ${engine.textType} not null)`,
    )
    .execute(tx);
  return applied(tx);
}

const applied = (tx: Db) => tx.selectFrom("schema_migrations").select(["number", "name"]).execute();

function refuseForeign(done: readonly { number: number; name: string }[], known: readonly Migration[]): void {
  const foreign = done.find(({ number, name }) => !known.some((m) => m.number === number && m.name === name));
  if (!foreign) return;
  throw new Error(
    `the database's schema has ${foreign.name}, which this server does not know: a newer server made it; upgrade this one`,
  );
}

/** `locked` is called by the work once no other server migrates. */
type Work<T> = (locked: () => void) => Promise<T>;
type Insist = <T>(work: Work<T>, onWait: (whose: string) => void) => Promise<T>;

interface Applying {
  readonly engine: Engine;
  readonly migration: Migration;
  readonly told: Progress;
}

async function applyOnce(
  insist: Insist,
  transaction: Patient["transaction"],
  { engine, migration, told }: Applying,
): Promise<void> {
  const { name } = migration;
  const began = performance.now();
  let begun = false;
  const begins = () => {
    // The same is tried again while others use the tables.
    if (!begun) told.begins(name);
    begun = true;
  };
  try {
    const made = await insist(
      (locked) =>
        transaction(async (tx) => {
          await engine.lock(tx, "migrate");
          locked();
          return apply(engine, tx, migration, begins);
        }),
      (whose) => told.waits(name, whose),
    );
    if (made) told.done(name, Math.round(performance.now() - began));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`migration ${name} failed and was undone: ${why}`, { cause });
  }
}

/** False when another server was faster. */
async function apply(engine: Engine, tx: Db, migration: Migration, begins: () => void): Promise<boolean> {
  const { number, name } = migration;
  if ((await applied(tx)).some((one) => one.number === number)) return false;
  begins();
  for (const statement of migration.statements(engine.textType, engine.name))
    await sql.raw(statement).execute(tx);
  const applied_at = (await engine.now(tx)).toISOString();
  await tx.insertInto("schema_migrations").values({ number, name, applied_at }).execute();
  return true;
}

/** `work`, again while others keep a lock. */
async function insistOn<T>(
  engine: Engine,
  { pauseMs, giveUpMs }: Patience,
  work: Work<T>,
  onWait: (whose: string) => void,
): Promise<T> {
  /** Of those who use the tables, and of other servers. */
  const told = new Set<boolean>();
  for (let usedSince: number | undefined; ; await pause(pauseMs)) {
    let mine = false;
    try {
      return await work(() => {
        mine = true;
      });
    } catch (error) {
      if (engine.fault(error) !== "retry") throw error;
      if (mine) usedSince ??= performance.now();
      if (usedSince !== undefined && performance.now() - usedSince > giveUpMs) throw error;
      if (told.has(mine)) continue;
      told.add(mine);
      onWait(mine ? "those who use its tables" : `the server that migrates it: ${await engine.migrating()}`);
    }
  }
}
