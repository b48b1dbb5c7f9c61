/** A world with disks in memory. */

import { listOperations } from "../../src/core/disks/listing.ts";
import { createDisk } from "../../src/core/disks/requests.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import type { TestDatabase } from "../helpers/engines.ts";
import { createFakeDisks, type FakeDisks } from "../helpers/fake-disks.ts";
import { makeWorld, type World } from "./world.ts";

export interface DiskWorld extends World {
  readonly disks: FakeDisks;
  /** A disk of ann's that is ready, with these files; its id. */
  disk(name: string, files?: Readonly<Record<string, string>>): Promise<string>;
  /** What is on a disk now. */
  filesOf(id: string): Promise<Record<string, string>>;
  /** Sets what is on it, as a pod would. */
  write(id: string, files: Readonly<Record<string, string>>): Promise<void>;
  /** Reserves with the disk, lets ssh work, cancels, and lets all that follows be done. */
  use(id: string): Promise<string>;
  /** The operations on a disk, newest first. */
  operations(id: string): Promise<Awaited<ReturnType<typeof listOperations>>["items"]>;
}

export async function makeDiskWorld(database: TestDatabase): Promise<DiskWorld> {
  const disks = createFakeDisks();
  const world = await makeWorld(database, { parts: { disks } });
  world.reconciler.start();
  const volumeOf = async (id: string) =>
    disks.disks.get((await world.rows("disks")).find((row) => row.id === id)?.volume ?? "");
  const filesOf = async (id: string) => Object.fromEntries((await volumeOf(id)) ?? []);
  const write: DiskWorld["write"] = async (id, files) => {
    const volume = await volumeOf(id);
    for (const [path, text] of Object.entries(files)) volume?.set(path, text);
  };
  return Object.assign(world, {
    disks,
    filesOf,
    write,
    async disk(name: string, files: Readonly<Record<string, string>> = {}) {
      const { body } = await createDisk(world.core, world.ann, { name });
      await world.after(0);
      await write(body.disk_id, files);
      // What comes next is newer.
      world.clock.tick(1);
      return body.disk_id;
    },
    async use(id: string) {
      const reservation = await world.reserve({ disk: id });
      await world.after(0);
      await cancelReservation(world.core, world.ann, reservation);
      await world.after(0);
      return reservation;
    },
    operations: async (id: string) => (await listOperations(world.core, world.ann, id, {})).items,
  });
}
