/** A user of a soak who works with named disks: creates, reserves with them, writes, has snapshots taken, brings them back, deletes. */
import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { type Client, RefusedRequest } from "../../src/api/client.ts";
import type { Disk } from "../../src/api/disks.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { DiskBook, Finding } from "./disk-book.ts";
import { Dice } from "./random.ts";
import { until } from "./soak.ts";

/** What stands in the way because something else goes on with the disk; and of the engine, when it is away. */
const IN_THE_WAY = ["disk_in_use", "disk_busy", "not_active", "conflict", "unavailable"];
const MAX_DISKS = 3;
const SIZE = 64e6;
const WHOLE = "whole";

/** The first brings something along that a copy takes its time for, in a place of its own: one whose engine died may go on. */
const WRITE = `cd /home/dev
[ -e sums ] || {
  mkdir "$0"; head -c 500000 /dev/urandom >"$0/blob"; for i in $(seq 60); do echo $i >"$0/$i"; done
  sha256sum "$0"/* >"$0.sums" && mv "$0.sums" sums
}
echo "$0" >>lines; sync`;
const READ = `cd /home/dev; touch lines; cat lines; [ ! -e sums ] || sha256sum -s -c sums && echo ${WHOLE} || echo damaged`;

/** Runs a script of sh in a pod; undefined when it could not be run to its end. */
export type RunIn = (pod: string, script: string, word: string) => Promise<string | undefined>;

export interface DiskUserOptions {
  readonly name: string;
  readonly gpuType: string;
  readonly publicKey: string;
  readonly runIn: RunIn;
}

export class DiskUser {
  readonly #options: DiskUserOptions;
  readonly #book = new DiskBook();
  /** By id, what the server said yes to. */
  readonly #made = new Set<string>();
  readonly #deleted = new Set<string>();
  #count = 0;
  readonly done = {
    disks: 0,
    reserved: 0,
    refused: 0,
    written: 0,
    read: 0,
    snapshots: 0,
    restored: 0,
    deleted: 0,
  };

  constructor(options: DiskUserOptions) {
    this.#options = options;
  }

  /** A key, and a first disk. */
  async begin(api: Client): Promise<void> {
    await api.createKey({ body: { public_key: this.#options.publicKey } });
    await this.#create(api, "on_end");
    const ready = async () => (await this.#disks(api)).every(({ state }) => state === "ready");
    await until("the first disk is there", ready);
  }

  /** Until the server is gone, or a Finding. */
  async act(api: Client, random: () => number): Promise<never> {
    const dice = new Dice(random() * 2 ** 32);
    for (;;) {
      await unlessInTheWay(this.#once(api, dice));
      await pause(dice.random() * 150);
    }
  }

  async #once(api: Client, dice: Dice): Promise<void> {
    const disks = await this.#disks(api);
    const disk = disks[dice.upTo(disks.length)];
    if (!disk || (disks.length < MAX_DISKS && dice.random() < 0.3))
      return this.#create(api, dice.one("on_end", "never"));
    await this.#book.learn(api, disk);
    if (disk.operation_id !== null) return;
    await (disk.held_by === null
      ? this.#useFree(api, dice, disk)
      : this.#useHeld(api, dice, disk, disk.held_by.id));
  }

  /** All that are not deleted. */
  async #disks(api: Client): Promise<Disk[]> {
    const { items } = await api.listDisks({ query: {} });
    for (const disk of items) this.#book.meet(disk);
    return items;
  }

  async #create(api: Client, snapshot_policy: Disk["snapshot_policy"]): Promise<void> {
    const body = { name: this.#newName(), size_bytes: SIZE, snapshot_policy };
    this.#book.begin(body.name);
    const { new_disk_id } = await api.createDisk({ body, idempotencyKey: randomUUID() });
    this.#made.add(new_disk_id ?? "");
    this.done.disks += 1;
  }

  #newName(): string {
    this.#count += 1;
    return `${this.#options.name}-${this.#count}`;
  }

  async #useFree(api: Client, dice: Dice, disk: Disk): Promise<void> {
    const params = { id: disk.id };
    const wish = dice.one(
      "reserve",
      "reserve",
      "reserve",
      "reserve",
      "snapshot",
      "snapshot",
      "restore",
      "as new",
      "delete",
    );
    if (wish === "reserve") return this.#reserve(api, disk);
    if (wish === "snapshot") return this.#snapshot(api, disk);
    if (wish === "delete") {
      this.#deleted.add(disk.id);
      await api.deleteDisk({ params });
      this.done.deleted += 1;
      return;
    }
    const { items } = await api.listSnapshots({ params, query: {} });
    const ready = items.filter(({ id }) => this.#book.knows(id));
    const snapshot = ready[dice.upTo(ready.length)]?.id;
    if (snapshot === undefined) return;
    const as = wish === "as new" ? this.#newName() : undefined;
    if (as !== undefined) this.#book.begin(as, snapshot);
    await api.restoreDisk({ params, body: { snapshot, ...(as && { as }) }, idempotencyKey: randomUUID() });
    this.done.restored += 1;
  }

  async #reserve(api: Client, { name }: Disk): Promise<void> {
    const body = { gpu_type: this.#options.gpuType, gpu_count: 1, duration_s: 60, disk: name };
    await api.createReservation({ body, idempotencyKey: randomUUID() });
    this.done.reserved += 1;
  }

  async #snapshot(api: Client, { id }: Disk): Promise<void> {
    await api.createSnapshot({ params: { id }, body: {}, idempotencyKey: randomUUID() });
    this.done.snapshots += 1;
  }

  async #useHeld(api: Client, dice: Dice, disk: Disk, holder: string): Promise<void> {
    const reservation = await api.getReservation({ params: { id: holder } });
    const wish = dice.one("write", "write", "write", "cancel", "snapshot", "snapshot", "second");
    if (wish === "second") return this.#isRefused(api, disk);
    if (reservation.state !== "active") return;
    if (wish === "cancel") await api.cancelReservation({ params: { id: holder } });
    if (wish === "snapshot") await this.#snapshot(api, disk);
    if (wish === "write") await this.#write(disk, reservation);
  }

  /** D-01: nobody else gets it meanwhile. */
  async #isRefused(api: Client, disk: Disk): Promise<void> {
    const second = await this.#reserve(api, disk).then(
      () => "accepted",
      (error: unknown) => codeOf(error),
    );
    if (second === "disk_in_use") this.done.refused += 1;
    const { held_by } = await api.getDisk({ params: { id: disk.id } });
    if (second === "accepted" && held_by?.id === disk.held_by?.id)
      throw new Finding(`disk ${disk.id} was given to two`);
  }

  /** After what is there was read; false when one of both could not be done. */
  async #write(disk: Disk, reservation: Reservation): Promise<boolean> {
    if (!(await this.#read(disk, reservation))) return false;
    this.#count += 1;
    const line = `line-${this.#count}`;
    this.#book.tried(disk.id, line);
    if ((await this.#options.runIn(podOf(reservation), WRITE, line)) === undefined) return false;
    this.#book.synced(disk.id, line);
    this.done.written += 1;
    return true;
  }

  /** True when it could be read, and all was as it should be. */
  async #read({ id }: Disk, reservation: Reservation): Promise<boolean> {
    const said = await this.#options.runIn(podOf(reservation), READ, "");
    if (said === undefined) return false;
    const found = said.split("\n");
    if (found.pop() !== WHOLE) throw new Finding(`the files on disk ${id} are not what was written: ${said}`);
    this.#book.check(id, found);
    this.done.read += 1;
    return true;
  }

  /** With a server and an engine that live on: every disk is there, can be had, and has on it what it should. */
  async check(api: Client): Promise<void> {
    const disks = await this.#disks(api);
    const there = new Set(disks.map(({ id }) => id));
    for (const id of this.#made)
      if (!there.has(id) && !this.#deleted.has(id))
        throw new Finding(`the disk ${id} was acknowledged and is lost`);
    await Promise.all(disks.map((disk) => this.#checkOne(api, disk)));
    await this.#checkSnapshots(api);
  }

  async #checkOne(api: Client, { id, name }: Disk): Promise<void> {
    const params = { id };
    const now = () => api.getDisk({ params });
    await until(`what is on disk ${id} can be read in a pod`, async () => {
      const disk = await now();
      if (disk.operation_id !== null) return false;
      await this.#book.learn(api, disk);
      if (disk.held_by === null) await unlessInTheWay(this.#reserve(api, disk));
      return disk.held_by !== null && this.#writeIn(api, disk, disk.held_by.id);
    });
    await until(`disk ${name} is free again`, async () => {
      const { held_by, operation_id } = await now();
      if (held_by) await unlessInTheWay(api.cancelReservation({ params: { id: held_by.id } }));
      return held_by === null && operation_id === null;
    });
    await this.#book.learn(api, await now());
  }

  async #writeIn(api: Client, disk: Disk, holder: string): Promise<boolean> {
    const reservation = await api.getReservation({ params: { id: holder } });
    return reservation.state === "active" && this.#write(disk, reservation);
  }

  /** Each reservation that ran with a disk that wants it left a snapshot. */
  async #checkSnapshots(api: Client): Promise<void> {
    const { items } = await api.listReservations({ query: { state: "all", limit: "500" } });
    for (const disk of await this.#disks(api)) {
      if (disk.snapshot_policy === "never") continue;
      const snapshots = await api.listSnapshots({ params: { id: disk.id }, query: { limit: "500" } });
      const after = new Set(snapshots.items.map(({ reservation_id }) => reservation_id));
      for (const { id, disk_id, started_at, ended_at } of items)
        if (disk_id === disk.id && started_at !== null && ended_at !== null && !after.has(id))
          throw new Finding(`no snapshot of disk ${disk.id} was kept after reservation ${id}`);
    }
  }

  /** Gives up all disks. */
  async leave(api: Client): Promise<void> {
    for (const { id } of await this.#disks(api)) await api.deleteDisk({ params: { id } });
  }
}

const podOf = ({ id, attempt }: Reservation): string => `${id}-${attempt}`;

const codeOf = (error: unknown): string => {
  if (error instanceof RefusedRequest) return error.problem.code;
  throw error;
};

async function unlessInTheWay(work: Promise<unknown>): Promise<void> {
  await work.catch((cause: unknown) => {
    const code = codeOf(cause);
    if (!IN_THE_WAY.includes(code)) throw new Finding(`${code}: ${(cause as Error).message}`, { cause });
  });
}
