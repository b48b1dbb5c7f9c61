/**
 * Brings the operations on disks forward: each row is the job, worked on under a lease. It is done outside, then its outcome is written
 * with all that it changes, then what is of no use any more is cleared away. Whoever takes over from a dead server begins again.
 */
import { DiskRefused } from "../../drivers/disks.ts";
import { DriverError, HostAway } from "../../drivers/driver.ts";
import type { Tx } from "../../store/db.ts";
import {
  claimOperations,
  findOperation,
  nextOperation,
  updateOperation,
} from "../../store/disk-operations.ts";
import type { OperationRow } from "../../store/disk-tables.ts";
import { takeDisk } from "../../store/disks.ts";
import { dropLease, type Lease } from "../../store/leases.ts";
import type { Db } from "../../store/tables.ts";
import { SYSTEM } from "../change.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { diskEngine } from "./host.ts";
import { clearAway, cleared, JOBS, type Made, readAround, undo } from "./jobs.ts";
import { auditOver } from "./open.ts";
import { type Keeping, keepLease } from "./progress.ts";

/** So many are worked on at the same time by one server: they read and write the same media. */
const HANDS = 2;
/** After so many failures in a row it has failed. */
const TRIES = 6;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
/** How often a host that is away is asked for. */
const AWAY_PAUSE_MS = 5000;
/** After an error that nobody intended. */
const ASIDE_MS = 10_000;

export interface DiskWorker {
  /** Leases what is due, as much as there are hands for; ids. */
  claim(tx: Tx): Promise<string[]>;
  /** When there is something to claim next; undefined while there are no hands for it. */
  next(db: Db): Promise<string | undefined>;
  /** Brings one that was claimed as far as it goes now; it never rejects. */
  work(id: string): Promise<void>;
}

export function createDiskWorker(
  core: Core,
  lease: Lease,
  signal: AbortSignal,
  conditions: Conditions,
): DiskWorker {
  if (!core.disks) return { claim: async () => [], next: async () => undefined, work: async () => undefined };
  const work = new DiskWork(core, lease);
  const inHand = new Set<string>();
  return {
    claim: (tx) => claimOperations(tx, lease, HANDS - inHand.size),
    next: async (db) => (inHand.size < HANDS ? nextOperation(db) : undefined),
    async work(id) {
      inHand.add(id);
      await conditions.watch(`disk operation ${id}`, "an operation on a disk rests a while", async () => {
        try {
          await work.advance(id, (operation) => keepLease(core, lease, operation, signal, conditions));
        } catch (error) {
          await work.putAside(id, ASIDE_MS);
          throw error;
        }
      });
      inHand.delete(id);
    },
  };
}

class DiskWork {
  readonly #core: Core;
  readonly #lease: Lease;

  constructor(core: Core, lease: Lease) {
    this.#core = core;
    this.#lease = lease;
  }

  async advance(id: string, keep: (operation: OperationRow) => Keeping): Promise<void> {
    const operation = await this.#core.store.read((db) => findOperation(db, id));
    if (operation?.leased_by !== this.#lease.owner) return;
    const keeping = keep(operation);
    try {
      const ended = operation.outcome === null ? await this.#run(operation, keeping) : operation;
      if (ended) await this.#clear(ended);
    } finally {
      await keeping.stop();
    }
  }

  /** Gives it back, to be taken up again after a while. */
  putAside(id: string, ms: number): Promise<void> {
    return this.#core.store.write((tx) => {
      const at = new Date(tx.now.getTime() + ms).toISOString();
      return dropLease(tx, this.#lease.owner, id, at, "disk_operations");
    });
  }

  /** The operation with its outcome; undefined when it has none yet, or is somebody else's. */
  async #run(operation: OperationRow, keeping: Keeping): Promise<OperationRow | undefined> {
    const { store } = this.#core;
    const around = await store.read((db) => readAround(db, operation));
    let made: Made;
    try {
      const engine = diskEngine(this.#core, around.disk.host);
      made = await JOBS[operation.kind].run(engine, operation, around, keeping.progress);
    } catch (error) {
      return this.#failed(operation, keeping, error);
    }
    return store.write((tx) => this.#writeDone(tx, operation, keeping, made));
  }

  async #writeDone(tx: Tx, operation: OperationRow, keeping: Keeping, made: Made) {
    await takeDisk(tx, operation.locked_id);
    const seen = { ...keeping.seen(), error: null, attempts: 0 };
    const mine = await this.#update(tx, operation, { ...seen, outcome: "done" });
    const more = mine && (await JOBS[operation.kind].done(tx, operation, made));
    return more ? this.#update(tx, operation, more) : mine;
  }

  async #failed(
    operation: OperationRow,
    keeping: Keeping,
    error: unknown,
  ): Promise<OperationRow | undefined> {
    const { store } = this.#core;
    const { id } = operation;
    if (keeping.progress.signal.aborted) {
      await store.write((tx) => dropLease(tx, this.#lease.owner, id, undefined, "disk_operations"));
      return undefined;
    }
    const words = this.#wordsOf(operation, error);
    if (error instanceof HostAway) {
      await this.#rest(operation, { error: words }, AWAY_PAUSE_MS);
      return undefined;
    }
    // What nobody may see any more is taken away in the end, however long that takes.
    const final =
      operation.kind !== "purge" && (error instanceof DiskRefused || operation.attempts + 1 >= TRIES);
    if (final) return store.write((tx) => this.#writeFailed(tx, operation, words));
    await this.#pause(operation, words);
    return undefined;
  }

  async #writeFailed(tx: Tx, operation: OperationRow, error: string): Promise<OperationRow | undefined> {
    await takeDisk(tx, operation.locked_id);
    const mine = await this.#update(tx, operation, { outcome: "failed", error, attempts: 0 });
    if (mine) await undo(tx, operation);
    return mine;
  }

  async #pause(operation: OperationRow, error: string): Promise<void> {
    const ms = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** operation.attempts);
    await this.#rest(operation, { attempts: operation.attempts + 1, error }, ms);
  }

  /** It is taken up again by whoever comes first. */
  async #rest(operation: OperationRow, change: Partial<OperationRow>, ms: number): Promise<void> {
    await this.#core.store.write((tx) =>
      this.#update(tx, operation, {
        ...change,
        next_step_at: new Date(tx.now.getTime() + ms).toISOString(),
        leased_by: null,
        leased_until: null,
      }),
    );
  }

  /** What cannot be cleared away after many tries stays behind, for the sweep. */
  async #clear(operation: OperationRow): Promise<void> {
    try {
      const { disk } = await this.#core.store.read((db) => readAround(db, operation));
      await clearAway(diskEngine(this.#core, disk.host), operation);
    } catch (error) {
      const words = this.#wordsOf(operation, error);
      if (operation.attempts + 1 < TRIES) return this.#pause(operation, operation.error ?? words);
    }
    await this.#core.store.write((tx) => this.#finish(tx, operation));
  }

  async #finish(tx: Tx, operation: OperationRow): Promise<void> {
    const finished = await this.#update(tx, operation, {
      finished_at: tx.at,
      next_step_at: null,
      leased_by: null,
      leased_until: null,
    });
    if (!finished) return;
    await cleared(tx, operation);
    await auditOver(tx, SYSTEM, operation);
  }

  #update(
    tx: Tx,
    { id, snapshot_id }: OperationRow,
    change: Partial<OperationRow>,
  ): Promise<OperationRow | undefined> {
    return updateOperation(tx, { id, snapshot_id, leasedBy: this.#lease.owner }, change);
  }

  /** What an engine says on purpose is for users; all else is for the log. */
  #wordsOf({ id, kind }: OperationRow, error: unknown): string {
    const meant = error instanceof DiskRefused || error instanceof DriverError;
    this.#core.log(
      meant ? "warn" : "error",
      { operation: id, kind, err: error },
      "an operation on a disk failed",
    );
    return meant ? error.message : "an internal error; the server's log tells more";
  }
}
