/**
 * Kills the server that works on disks, or the copy that it makes, at random instants, lets another one go on, and then counts: every file
 * of every disk and snapshot that was acknowledged is there, nothing half made is, and nobody finds anything more to do.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect } from "vitest";
import type { DiskOperation } from "../../src/api/disks.ts";
import { Problem } from "../../src/api/errors.ts";
import { createConditions } from "../../src/core/conditions.ts";
import type { Core } from "../../src/core/core.ts";
import { deleteDisk } from "../../src/core/disks/changes.ts";
import * as requests from "../../src/core/disks/requests.ts";
import { createDiskSweep } from "../../src/core/disks/sweep.ts";
import type { Caller } from "../../src/core/people/access.ts";
import { forAllNodes } from "../../src/drivers/disks.ts";
import type { DiskRow, OperationRow, SnapshotRow } from "../../src/store/disk-tables.ts";
import type { Tables } from "../../src/store/tables.ts";
import type { LocalDiskRig } from "../drivers/disks-rig.ts";
import { whileFull, whileUnreadable } from "./disk-faults.ts";
import { FILL, LIST } from "./disk-files.ts";
import { killIfThere, processesNaming } from "./processes.ts";
import type { Dice } from "./random.ts";
import { until } from "./soak.ts";

const PROCESS = join(import.meta.dirname, "disk-worker-process.ts");
const DAY_MS = 86_400_000;
/** After the kills of so many rounds everything is brought to its end and looked at. */
const ROUNDS_TO_CHECK = 5;
const MAX_DISKS = 5;
const SIZE = 64e6;
/** So many of the rounds have a full medium, and as many a disk that cannot be read. */
const FAULTY = 0.1;
const FAULT = /no space left|input\/output error|cannot be read|damaged|read-only file system/i;

export interface DiskSoakOptions {
  readonly rig: LocalDiskRig;
  readonly databaseUrl: string;
  readonly core: Core;
  readonly caller: Caller;
  readonly dice: Dice;
  /** Whether the rig has a medium of its own, which may fail. */
  readonly mayFail: boolean;
  /** How far the clock of all is ahead, ms. */
  readonly clock: { ahead: number };
  rows<T extends keyof Tables>(table: T): Promise<Tables[T][]>;
}

export class DiskSoak {
  readonly #options: DiskSoakOptions;
  /** What has to be on each disk and in each snapshot, by their ids. */
  readonly #disks = new Map<string, string>();
  readonly #snapshots = new Map<string, string>();
  /** Acknowledged, and not looked at since. */
  #asked: string[] = [];
  /** Whether a medium failed since then. */
  #faults = false;
  #names = 0;
  #worker: ChildProcess | undefined;
  /** Of the worker that was started last. */
  #log = "";
  kills = 0;
  done = 0;

  constructor(options: DiskSoakOptions) {
    this.#options = options;
  }

  /** So many rounds of a kill each. */
  async run(rounds: number): Promise<void> {
    try {
      await this.#rounds(rounds);
    } finally {
      this.#worker?.kill("SIGKILL");
    }
  }

  async #rounds(rounds: number): Promise<void> {
    for (let round = 1; round <= rounds; round++) {
      await this.#ask();
      await this.#killedWorkerOnSomeMedium();
      if (round % ROUNDS_TO_CHECK === 0) await this.#settle();
    }
    await this.#settle();
    await this.#findsNothingToDo();
  }

  /** One or two wishes; what goes on with a disk may stand in the way of what is asked for it. */
  async #ask(): Promise<void> {
    for (let i = 0; i <= this.#options.dice.upTo(2); i++) {
      const operation = await this.#wish().catch((error: unknown) => {
        if (error instanceof Problem && error.status === 409) return undefined;
        throw error;
      });
      if (operation) this.#asked.push(operation.id);
    }
  }

  async #wish(): Promise<DiskOperation | undefined> {
    const { core, caller, dice, clock } = this.#options;
    const disks = (await this.#options.rows("disks")).filter((row) => this.#disks.has(row.id));
    const disk = disks[dice.upTo(disks.length)];
    this.#names += 1;
    const name = `disk-${this.#names}`;
    if (!disk || disks.length < 2)
      return (await requests.createDisk(core, caller, { name, size_bytes: SIZE })).body;
    const kept = (await this.#options.rows("snapshots")).filter(
      (row) => row.disk_id === disk.id && row.state === "ready",
    );
    const snapshot = kept[dice.upTo(kept.length)]?.id;
    const wish = dice.one("snapshot", "snapshot", "restore", "new", "clone", "resize", "purge");
    const full = disks.length >= MAX_DISKS;
    if (wish === "snapshot") return (await requests.createSnapshot(core, caller, disk.id, {})).body;
    if (wish === "resize") {
      const size_bytes = dice.one(SIZE, 2 * SIZE);
      return (await requests.resizeDisk(core, caller, disk.id, { size_bytes })).body;
    }
    if (wish === "purge" || full) {
      await deleteDisk(core, caller, disk.id);
      this.#disks.delete(disk.id);
      clock.ahead += 31 * DAY_MS;
      return undefined;
    }
    if (wish === "clone") return (await requests.cloneDisk(core, caller, disk.id, { name })).body;
    if (snapshot === undefined) return undefined;
    const as = wish === "new" ? { as: name } : {};
    return (await requests.restoreDisk(core, caller, disk.id, { snapshot, ...as })).body;
  }

  /** A medium that is full for the length of a round, or a disk of which a file cannot be read, or neither. */
  async #killedWorkerOnSomeMedium(): Promise<void> {
    const { rig, dice } = this.#options;
    const chance = this.#options.mayFail ? dice.random() : 1;
    const work = () => this.#killedWorker();
    if (chance >= 2 * FAULTY) return work();
    this.#faults = true;
    if (chance >= FAULTY || rig.options.isolation === "processes") return whileFull(rig, work);
    const filled = (await this.#live()).filter(({ id }) => this.#disks.get(id)?.includes("  ./data\n"));
    const disk = filled[dice.upTo(filled.length)];
    return disk ? whileUnreadable(rig, disk.volume, "data", work) : work();
  }

  /** Kills the server, or only what it has started, a moment after it began. */
  async #killedWorker(): Promise<void> {
    const { rig, dice } = this.#options;
    const [onlyCopy, after] = [dice.random() < 0.3, dice.random() * 500];
    const worker = await this.#start();
    await pause(after);
    this.kills += 1;
    if (onlyCopy) {
      for (const pid of processesNaming(rig.options.dataDir)) if (pid !== worker.pid) killIfThere(pid);
      await pause(dice.random() * 300);
    }
    worker.kill("SIGKILL");
    await once(worker, "close");
  }

  async #start(): Promise<ChildProcess> {
    this.#log = "";
    const { rig, databaseUrl, clock } = this.#options;
    const { dataDir, isolation } = rig.options;
    const args = [PROCESS, databaseUrl, dataDir, isolation, String(clock.ahead)];
    const worker = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.#worker = worker;
    worker.stderr.on("data", (chunk) => {
      this.#log += chunk;
    });
    await Promise.race([once(worker.stdout, "data"), once(worker, "close")]);
    if (worker.exitCode !== null) throw new Error(`the worker ended by itself\n${this.#log}`);
    return worker;
  }

  /** Lets a server bring everything to its end, and looks at all of it. */
  async #settle(): Promise<void> {
    const worker = await this.#start();
    const finished = until("all is finished", async () => (await this.#unfinished()).length === 0, 120_000);
    await finished.catch(async (error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await this.#unfinished())}\n${this.#log}`);
    });
    worker.stdin?.end();
    await once(worker, "close");
    await this.#learn();
    await this.#check();
    for (const { id, volume } of await this.#live())
      if (this.#options.dice.random() < 0.5) await this.#fill(id, volume);
  }

  async #unfinished(): Promise<object[]> {
    const now = new Date(Date.now() + this.#options.clock.ahead).toISOString();
    const { rows } = this.#options;
    return [
      ...(await rows("disks")).filter((row) => (row.purge_at ?? "~") <= now && row.state !== "gone"),
      ...(await rows("snapshots")).filter((row) => row.state === "leaving"),
      ...(await rows("disk_operations")).filter((row) => row.finished_at === null),
    ];
  }

  /** What was asked for is done, in the order in which it was asked: that is what has to be there from now on. */
  async #learn(): Promise<void> {
    const rows = new Map((await this.#options.rows("disk_operations")).map((row) => [row.id, row]));
    for (const id of this.#asked) {
      const operation = rows.get(id);
      // All tries may have come upon it; then nothing of it is there.
      if (this.#faults && operation?.outcome === "failed" && FAULT.test(operation.error ?? "")) continue;
      if (operation?.outcome !== "done")
        throw new Error(
          `${operation?.kind} was acknowledged and is ${operation?.outcome}: ${operation?.error}`,
        );
      this.done += 1;
      this.#take(operation);
    }
    this.#asked = [];
    this.#faults = false;
  }

  #take({ kind, disk_id, new_disk_id, snapshot_id, kept_id }: OperationRow): void {
    const [disk, snapshot] = [this.#disks.get(disk_id), this.#snapshots.get(snapshot_id ?? "")];
    if (kind === "create") this.#disks.set(disk_id, "");
    // Of a disk that was deleted before nothing has to be there.
    if (kind === "snapshot" && disk !== undefined) this.#snapshots.set(snapshot_id ?? "", disk);
    if (kept_id !== null && disk !== undefined) this.#snapshots.set(kept_id, disk);
    if (kind === "clone" && disk !== undefined) this.#disks.set(new_disk_id ?? "", disk);
    if (kind === "restore") this.#disks.set(new_disk_id ?? disk_id, snapshot ?? "");
  }

  async #live(): Promise<DiskRow[]> {
    return (await this.#options.rows("disks")).filter((row) => this.#disks.has(row.id));
  }

  async #check(): Promise<void> {
    const { rig } = this.#options;
    const [disks, snapshots] = [await this.#options.rows("disks"), await this.#options.rows("snapshots")];
    const there = disks.filter((row) => row.state !== "gone");
    for (const id of this.#disks.keys())
      expect(
        there.find((row) => row.id === id),
        "a disk that was acknowledged",
      ).toMatchObject({ state: "ready" });
    for (const { id, volume } of await this.#live())
      expect((await rig.onDisk(volume, LIST)).stdout, `disk ${id}`).toBe(this.#disks.get(id));
    for (const { id } of snapshots)
      if (this.#snapshots.has(id))
        expect((await rig.inSnapshot(id, LIST)).stdout, `snapshot ${id}`).toBe(this.#snapshots.get(id));
    this.#checkRetention(there, snapshots);
    const listed = async (kind: string) => (await readdir(join(rig.options.dataDir, kind))).sort();
    expect(await listed("disks")).toEqual(there.map((row) => row.volume).sort());
    expect(await listed("snapshots")).toEqual(snapshots.map((row) => row.id).sort());
    expect(await listed("quarantine")).toEqual([]);
    expect(await rig.remains()).toEqual([]);
  }

  /** A snapshot that was acknowledged is gone only with its disk, or when three newer ones are there. */
  #checkRetention(disks: readonly DiskRow[], snapshots: readonly SnapshotRow[]): void {
    const present = new Set(snapshots.map((row) => row.id));
    for (const id of this.#snapshots.keys()) if (!present.has(id)) this.#snapshots.delete(id);
    for (const { id, last_snapshot_id } of disks)
      if (last_snapshot_id !== null)
        expect(present.has(last_snapshot_id), `the last snapshot of ${id}`).toBe(true);
  }

  async #fill(id: string, volume: string): Promise<void> {
    const { rig } = this.#options;
    const filled = await rig.onDisk(volume, FILL);
    if (filled.code !== 0) throw new Error(`disk ${id} could not be written: ${filled.stderr}`);
    this.#disks.set(id, (await rig.onDisk(volume, LIST)).stdout);
  }

  /** Two passes of the sweep change nothing and find nothing. */
  async #findsNothingToDo(): Promise<void> {
    const { core, rig } = this.#options;
    const found: string[] = [];
    const watched = {
      ...core,
      disks: forAllNodes(await rig.open()),
      log: (level: string, fields: object, message: string) => {
        if (level !== "debug") found.push(`${message} ${JSON.stringify(fields)}`);
      },
    };
    const sorted = async (table: "disks" | "snapshots" | "disk_operations") =>
      (await this.#options.rows(table)).toSorted((one, other) => (one.id < other.id ? -1 : 1));
    const state = async () => [
      await sorted("disks"),
      await sorted("snapshots"),
      await sorted("disk_operations"),
    ];
    const sweep = createDiskSweep(watched, createConditions(watched.log));
    // The last snapshots may have taken the place of others since the worker's own.
    await sweep();
    const before = await state();
    await sweep();
    await sweep();
    expect(found).toEqual([]);
    expect(await state()).toEqual(before);
  }
}
