/**
 * Disks on this machine (local-disks/layout.ts). A disk is an image or a plain directory; a snapshot is a directory always, so that
 * what is in it can be listed, and a disk of any size and kind can be made of it.
 */
import { mkdir, readFile, realpath, statfs } from "node:fs/promises";
import { join } from "node:path";
import { exactSize } from "../api/size.ts";
import {
  type DiskEngine,
  type DiskInventory,
  DiskRefused,
  type DiskUse,
  type Progress,
  type SnapshotUse,
} from "./disks.ts";
import { asking } from "./local/asking.ts";
import { exists } from "./local/pod-dir.ts";
import { Turns } from "./local/turns.ts";
import {
  attempt,
  clearAttempts,
  discard,
  discardAttempts,
  type Made,
  takeAway,
} from "./local-disks/attempts.ts";
import { entriesOf, type Page } from "./local-disks/contents.ts";
import { makeImage, SMALLEST, usedInImage } from "./local-disks/image.ts";
import { copyInUse } from "./local-disks/in-use.ts";
import { inventoryOf } from "./local-disks/inventory.ts";
import { type Job, type Needs, runJob } from "./local-disks/job.ts";
import {
  homeIn,
  idOf,
  imageOf,
  isHalfMade,
  KINDS,
  type Kind,
  makePlaces,
  placeOf,
  settle,
} from "./local-disks/layout.ts";
import { findLimits, type LocalDisksOptions } from "./local-disks/limits.ts";
import { inUse, isBusy } from "./local-disks/lock.ts";
import { expireQuarantine, quarantine } from "./local-disks/quarantine.ts";
import { resizeImage } from "./local-disks/resize.ts";

/** At most so many trees are copied at the same time. */
const AT_ONCE = 2;

/** The disks below a data directory. Throws DriverError when it cannot be written. */
export function createLocalDisks(options: LocalDisksOptions): Promise<DiskEngine> {
  return asking(async () => {
    await makePlaces(options.dataDir);
    const dataDir = await realpath(options.dataDir);
    const limits = await findLimits({ ...options, dataDir });
    return new LocalDisks(dataDir, limits, options.podsElsewhere ?? false);
  });
}

class LocalDisks implements DiskEngine {
  readonly limits: DiskEngine["limits"];
  readonly #dataDir: string;
  readonly #podsElsewhere: boolean;
  readonly #turns = new Turns();
  readonly #inHand = new Set<string>();
  #copies = 0;

  constructor(dataDir: string, limits: DiskEngine["limits"], podsElsewhere: boolean) {
    this.#dataDir = dataDir;
    this.limits = limits;
    this.#podsElsewhere = podsElsewhere;
  }

  create(disk: string, sizeBytes: number, progress?: Progress): Promise<void> {
    return this.#make("disks", disk, async ({ path: made }, place) => {
      await this.#empty(made, sizeBytes);
      await progress?.confirm?.();
      await settle(made, place);
    });
  }

  snapshot(disk: string, snapshot: string, progress: Progress, pod?: string): Promise<SnapshotUse> {
    return asking(async () => {
      const place = placeOf(this.#dataDir, "snapshots", snapshot);
      await this.#make("snapshots", snapshot, async (made) => {
        const source = await this.#there("disks", disk);
        const to = join(made.path, "home");
        await mkdir(to, { mode: 0o700 });
        const job = { to, records: made.path, publish: { made: made.path, place } };
        const run = (whole: Job, volumes: readonly string[], held: readonly Made[] = []) =>
          this.#copy(whole, { volumes, held: [...held, made] }, progress);
        if (pod === undefined) await run({ ...job, from: await homeIn(source) }, [source]);
        else if (this.#podsElsewhere) await run({ ...job, from: await homeIn(source), live: true }, []);
        else await copyInUse(source, { dataDir: this.#dataDir, name: pod }, job, run);
      });
      return useOf(place);
    });
  }

  restore(snapshot: string, target: string, sizeBytes: number, progress: Progress): Promise<DiskUse> {
    return asking(async () => {
      const source = await this.#there("snapshots", snapshot);
      const use = await useOf(source);
      const job = { from: join(source, "home"), against: join(source, "list") };
      await this.#fill(target, sizeBytes, use, job, [], progress);
      return use;
    });
  }

  clone(source: string, target: string, sizeBytes: number, progress: Progress): Promise<DiskUse> {
    return asking(async () => {
      const place = await this.#there("disks", source);
      const use = await this.#measure(place);
      await this.#fill(target, sizeBytes, use, { from: await homeIn(place) }, [place], progress);
      return use;
    });
  }

  /** A new disk with what a job brings. */
  async #fill(
    target: string,
    sizeBytes: number,
    use: DiskUse,
    job: Job,
    volumes: readonly string[],
    progress: Progress,
  ): Promise<void> {
    if (use.usedBytes > sizeBytes) throw tooSmall(sizeBytes, use);
    await this.#make("disks", target, async (made, place) => {
      await this.#empty(made.path, sizeBytes);
      const filling = { ...job, to: await homeIn(made.path), publish: { made: made.path, place } };
      await this.#copy(filling, { volumes, held: [made] }, progress).catch(async (error) => {
        const full = /No space left/.test(error.message) && this.limits.enforced;
        throw full && !(await this.#isFull()) ? tooSmall(sizeBytes, use) : error;
      });
    });
  }

  /** Whether it is the medium below the images that is full. */
  async #isFull(): Promise<boolean> {
    const { bavail, bsize } = await statfs(this.#dataDir);
    return bavail * bsize < SMALLEST;
  }

  async #empty(made: string, sizeBytes: number): Promise<void> {
    checkSize(sizeBytes);
    if (this.limits.enforced) await makeImage(made, sizeBytes);
    else await mkdir(join(made, "home"), { mode: 0o700 });
  }

  resize(disk: string, sizeBytes: number, progress?: Progress): Promise<void> {
    return this.#alone("disks", disk, async (place) => {
      checkSize(sizeBytes);
      await this.#there("disks", disk);
      if (await isBusy(place)) throw inUse();
      const use = await this.#measure(place);
      if (use.usedBytes > sizeBytes) throw tooSmall(sizeBytes, use);
      if (await exists(imageOf(place))) await this.#oneOf(() => resizeImage(place, sizeBytes, progress));
    });
  }

  measure(disk: string): Promise<DiskUse | "absent"> {
    return asking(async () => {
      const place = placeOf(this.#dataDir, "disks", disk);
      return (await exists(place)) ? this.#measure(place) : "absent";
    });
  }

  async #measure(place: string): Promise<DiskUse> {
    const image = imageOf(place);
    return (await exists(image))
      ? usedInImage(image)
      : runJob({ from: await homeIn(place) }, { volumes: [] });
  }

  contents(snapshot: string, path: string, page: Page) {
    return asking(async () => {
      const place = placeOf(this.#dataDir, "snapshots", snapshot);
      return (await exists(place)) ? entriesOf(join(place, "home"), path, page) : "absent";
    });
  }

  remove(volume: { readonly disk: string } | { readonly snapshot: string }): Promise<void> {
    const [kind, id] =
      "disk" in volume ? (["disks", volume.disk] as const) : (["snapshots", volume.snapshot] as const);
    return this.#alone(kind, id, async (place) => {
      await discardAttempts(place);
      await takeAway(place);
    });
  }

  list(): Promise<DiskInventory> {
    return asking(() => inventoryOf(this.#dataDir, this.#inHand));
  }

  quarantine(id: string): Promise<void> {
    return asking(async () => {
      for (const kind of KINDS)
        await this.#alone(kind, id, async (place) => {
          if (!(await exists(place))) return;
          if (await isBusy(place)) throw inUse();
          await quarantine(this.#dataDir, kind, id);
        });
    });
  }

  expireQuarantine(olderThanS: number): Promise<string[]> {
    return asking(() => expireQuarantine(this.#dataDir, olderThanS));
  }

  discardHalfMade(name: string): Promise<void> {
    return asking(async () => {
      const [kind, file = ""] = name.split("/");
      if (!KINDS.some((k) => k === kind) || !isHalfMade(file))
        throw new TypeError(`${JSON.stringify(name)} is not the name of something half made`);
      await this.#alone(kind as Kind, idOf(file), (place) => discard(place, join(this.#dataDir, name)));
    });
  }

  room(): Promise<number> {
    return asking(async () => {
      const { bavail, bsize } = await statfs(this.#dataDir);
      return bavail * bsize;
    });
  }

  /** The place of a disk or snapshot that is there. */
  async #there(kind: Kind, id: string): Promise<string> {
    const place = placeOf(this.#dataDir, kind, id);
    if (await exists(place)) return place;
    throw new DiskRefused(`the data of the ${kind === "disks" ? "disk" : "snapshot"} are not there`);
  }

  /** Makes what is not there yet; `work` fills `made` and renames it to `place`. */
  #make(kind: Kind, id: string, work: (made: Made, place: string) => Promise<void>): Promise<void> {
    return this.#alone(kind, id, async (place) => {
      if (await exists(place)) await clearAttempts(place);
      else await attempt(place, (made) => work(made, place));
    });
  }

  /** Work that changes a disk or snapshot takes turns, and is not taken for something that a crash left. */
  #alone<T>(kind: Kind, id: string, work: (place: string) => Promise<T>): Promise<T> {
    return asking(async () => {
      const place = placeOf(this.#dataDir, kind, id);
      return this.#turns.take(id, async () => {
        this.#inHand.add(id);
        try {
          return await work(place);
        } finally {
          this.#inHand.delete(id);
        }
      });
    });
  }

  #copy(job: Job, needs: Needs, progress: Progress): Promise<DiskUse> {
    return this.#oneOf(() => runJob(job, needs, progress));
  }

  #oneOf<T>(work: () => Promise<T>): Promise<T> {
    this.#copies += 1;
    return this.#turns.take(`copy ${this.#copies % AT_ONCE}`, work);
  }
}

const useOf = async (snapshot: string): Promise<SnapshotUse> =>
  JSON.parse(await readFile(join(snapshot, "use.json"), "utf8"));

function checkSize(sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < SMALLEST)
    throw new DiskRefused(`a disk has at least ${exactSize(SMALLEST)}`);
}

const tooSmall = (sizeBytes: number, { usedBytes }: DiskUse): DiskRefused =>
  new DiskRefused(`${exactSize(sizeBytes)} are too few: the files take ${exactSize(usedBytes)}`);
