/** Two servers with one database and one data directory, of which one stalls past its lease just before what it made would count. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { DiskOperation } from "../../src/api/disks.ts";
import { getOperation } from "../../src/core/disks/listing.ts";
import * as requests from "../../src/core/disks/requests.ts";
import type { DiskEngine, Progress } from "../../src/drivers/disks.ts";
import type { Store } from "../../src/store/db.ts";
import { LocalDiskRig } from "../drivers/disks-rig.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World, worldOn } from "./world.ts";

const MIB = 2 ** 20;
/** Against hanging. */
const GUARD = { timeout: 60_000, interval: 50 };
const FILES = "head -c 3000000 /dev/urandom > file; sha256sum file";

/** A server that stops in the middle of its work, as far as the database can tell, and goes on when it is told. */
class Stalling {
  readonly #awake = Promise.withResolvers<void>();
  #stalled = false;
  readonly goOn = () => this.#awake.resolve();

  get stalled(): boolean {
    return this.#stalled;
  }

  store(store: Store): Store {
    const patient =
      <A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        if (this.#stalled) await this.#awake.promise;
        return ask(...args);
      };
    return {
      ...store,
      now: patient(store.now),
      read: patient(store.read),
      write: patient(store.write),
    } as Store;
  }

  disks(engine: DiskEngine): DiskEngine {
    const stallAtTheEnd = (progress: Progress): Progress =>
      Object.assign((done: number, total: number | undefined) => progress(done, total), {
        ...(progress.signal && { signal: progress.signal }),
        confirm: async () => {
          this.#stalled = true;
          await progress.confirm?.();
        },
      });
    return new Proxy(engine, {
      get(target, name) {
        const verb = Reflect.get(target, name);
        if (typeof verb !== "function") return verb;
        return (...args: unknown[]) =>
          verb.apply(
            target,
            // Of all that verbs are given only the progress is a function.
            args.map((arg) => (typeof arg === "function" ? stallAtTheEnd(arg as Progress) : arg)),
          );
      },
    });
  }
}

describe.each(engines)("a server that stalls on $engine", ({ create }) => {
  const fresh = freshDatabases(create);

  /** The server that goes on, a disk of ann's with files, their sum, and a snapshot. */
  async function begin() {
    const rig = await LocalDiskRig.make(process.getuid?.() === 0 ? "namespaces" : "processes");
    const world = await makeWorld(await fresh(), { parts: { disks: await rig.open() } });
    const { core, ann } = world;
    world.reconciler.start();
    const { body } = await requests.createDisk(core, ann, { name: "work", size_bytes: 32 * MIB });
    await world.after(0);
    const [row] = await world.rows("disks");
    const sum = (await rig.onDisk(row?.volume ?? "", FILES)).stdout;
    const taken = await requests.createSnapshot(core, ann, body.disk_id, {});
    await world.after(0);
    await world.reconciler.stop();
    return { rig, world, sum, disk: body.disk_id, snapshot: taken.body.snapshot_id ?? "" };
  }

  /** Another server, which takes up what is asked and stalls; then the first one goes on, past the other's lease. */
  async function overtaken(
    rig: LocalDiskRig,
    world: World,
    ask: () => Promise<{ body: DiskOperation }>,
  ): Promise<{ stalling: Stalling; operation: string }> {
    const stalling = new Stalling();
    const other = await worldOn(stalling.store(world.core.store), world.clock, world.driver, {
      disks: stalling.disks(await rig.open()),
    });
    onTestFinished(async () => {
      stalling.goOn();
      await other.reconciler.stop();
    });
    const { body } = await ask();
    other.reconciler.start();
    await expect.poll(() => stalling.stalled, GUARD).toBe(true);
    world.clock.tick(20_000);
    world.reconciler.start();
    return { stalling, operation: body.id };
  }

  const volumeOf = async (world: World, name: string): Promise<string> =>
    (await world.rows("disks")).find((row) => row.name === name)?.volume ?? "";
  const halfMade = async (rig: LocalDiskRig) =>
    [
      ...(await readdir(join(rig.options.dataDir, "disks"))),
      ...(await readdir(join(rig.options.dataDir, "snapshots"))),
    ].filter((name) => name.includes("."));

  test("L-16 D-06 restore: what the next one made is what counts, and nothing of the late one is left", async () => {
    const { rig, world, disk, snapshot, sum } = await begin();
    const { stalling, operation } = await overtaken(rig, world, () =>
      requests.restoreDisk(world.core, world.ann, disk, { snapshot, as: "made" }),
    );
    const done = () => getOperation(world.core, world.ann, operation);
    await expect.poll(async () => (await done()).state, GUARD).toBe("done");
    const before = await done();
    const made = await volumeOf(world, "made");
    expect((await rig.onDisk(made, "sha256sum file")).stdout).toBe(sum);
    const mine = (await rig.onDisk(made, "rm -f file; echo mine > file; sha256sum file")).stdout;
    stalling.goOn();
    await expect.poll(() => halfMade(rig), GUARD).toEqual([]);
    await expect.poll(() => rig.remains(), GUARD).toEqual([]);
    expect((await rig.onDisk(made, "sha256sum file")).stdout).toBe(mine);
    expect(await done()).toEqual(before);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "L-16 D-06 resize: the next one waits until the late one has let the disk go, and no file is lost",
    async () => {
      const { rig, world, disk, sum } = await begin();
      const { stalling, operation } = await overtaken(rig, world, () =>
        requests.resizeDisk(world.core, world.ann, disk, { size_bytes: 48 * MIB }),
      );
      const shown = () => getOperation(world.core, world.ann, operation);
      // On a very busy machine the late one may have noticed by itself, and let go.
      const waited = ({ error, state }: DiskOperation) => state === "done" || /in use/.test(error ?? "");
      await expect.poll(async () => waited(await shown()), GUARD).toBe(true);
      stalling.goOn();
      const after = async () => {
        world.clock.tick(1000);
        return (await shown()).state;
      };
      await expect.poll(after, { ...GUARD, interval: 1000 }).toBe("done");
      const volume = await volumeOf(world, "work");
      await expect.poll(() => rig.remains(), GUARD).toEqual([]);
      const seen = await rig.onDisk(volume, "sha256sum file; df -B1M --output=size . | tail -n 1");
      const [line = "", size] = seen.stdout.split("\n");
      expect(`${line}\n`).toBe(sum);
      expect(Number(size)).toBeGreaterThan(32);
      await expect.poll(() => halfMade(rig), GUARD).toEqual([]);
    },
  );
});
