/** Disks on a medium that is full, or that cannot be read: real file systems, on both database engines. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DiskOperation } from "../../src/api/disks.ts";
import { getDisk, getOperation, listDisks, listSnapshots } from "../../src/core/disks/listing.ts";
import { cloneDisk, createDisk, createSnapshot } from "../../src/core/disks/requests.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { LocalDiskRig } from "../drivers/disks-rig.ts";
import { run } from "../drivers/ssh.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

const SUM = "find . -type f -print0 | sort -z | xargs -0r sha256sum";
/** All tries of an operation, with the pauses between them. */
const TRIES = 7;

describe.skipIf(process.getuid?.() !== 0).each(engines)(
  "disks on bad media, $engine (mounts need root)",
  ({ create }) => {
    let world: World;
    let rig: LocalDiskRig;
    const fresh = freshDatabases(create);

    const begin = async (isolation: "processes" | "namespaces") => {
      world = await makeWorld(await fresh(), { parts: { disks: await rig.open() } });
      world.reconciler.start();
      expect((await rig.open()).limits.enforced).toBe(isolation === "namespaces");
    };
    const finished = async ({ id }: Pick<DiskOperation, "id">) => {
      const seen = () => getOperation(world.core, world.ann, id);
      for (let i = 0; i < TRIES && (await seen()).finished_at === null; i++) await world.after(60_000);
      return seen();
    };
    const diskWith = async (script: string) => {
      const { body } = await createDisk(world.core, world.ann, { name: "work", size_bytes: 32e6 });
      await world.after(0);
      const [row] = await world.rows("disks");
      const volume = row?.volume ?? "";
      expect(await rig.onDisk(volume, script)).toMatchObject({ code: 0 });
      return { id: body.disk_id, volume, sum: (await rig.onDisk(volume, SUM)).stdout };
    };
    const there = async () => [
      await readdir(join(rig.options.dataDir, "disks")),
      await readdir(join(rig.options.dataDir, "snapshots")),
      await readdir(join(rig.options.dataDir, "quarantine")),
    ];

    describe("full", () => {
      beforeEach(async () => {
        rig = await LocalDiskRig.make("processes");
        await run("mount", ["-t", "tmpfs", "-o", "size=10m", "full", rig.options.dataDir]);
        await begin("processes");
      });
      afterEach(async () => {
        await world.reconciler.stop();
        await run("umount", [rig.options.dataDir]);
        await rig.close();
      });

      test("D-03 D-06 D-08 a full medium fails what is made on it, takes nothing with it, and it works once there is room", async () => {
        const { id, volume, sum } = await diskWith("head -c 6000000 /dev/urandom > file");
        for (const ask of [
          () => createSnapshot(world.core, world.ann, id, {}),
          () => cloneDisk(world.core, world.ann, id, { name: "copy" }),
        ])
          expect(await finished((await ask()).body)).toMatchObject({
            state: "failed",
            error: expect.stringMatching(/^a copy does not fit: it takes .+, and .+ are free$/),
          });
        expect((await listSnapshots(world.core, world.ann, id, {})).items).toEqual([]);
        expect((await listDisks(world.core, world.ann, { state: "all" })).items).toMatchObject([
          { name: "work", state: "ready" },
        ]);
        expect(await there()).toEqual([[volume], [], []]);
        expect((await rig.onDisk(volume, SUM)).stdout).toBe(sum);
        await run("mount", ["-o", "remount,size=64m", rig.options.dataDir]);
        const again = await createSnapshot(world.core, world.ann, id, {});
        await world.after(0);
        expect(await getOperation(world.core, world.ann, again.body.id)).toMatchObject({ state: "done" });
      });
    });

    describe("unreadable", () => {
      beforeEach(async () => {
        rig = await LocalDiskRig.make("namespaces");
        await begin("namespaces");
      });
      afterEach(async () => {
        await world.reconciler.stop();
        await rig.close();
      });

      test("D-03 D-08 a disk that cannot be read keeps its last snapshot, and can be had again after the try", async () => {
        const { id, volume } = await diskWith(
          "mkdir dir; head -c 3000000 /dev/urandom > dir/broken; echo text > well",
        );
        const { body } = await createSnapshot(world.core, world.ann, id, {});
        await world.after(0);
        const reservation = await world.reserve({ disk: id });
        await world.after(0);
        const image = join(rig.disk(volume), "image");
        // The map of its blocks is no map: the kernel reads that as an error of the medium.
        await run("debugfs", ["-w", "-R", "set_inode_field /home/dir/broken block[0] 0", image]);
        await cancelReservation(world.core, world.ann, reservation);
        await world.after(0);
        const [last] = (await world.rows("disk_operations")).filter((row) => row.finished_at === null);
        expect(await finished({ id: last?.id ?? "" })).toMatchObject({
          kind: "snapshot",
          state: "failed",
          error: expect.stringContaining("dir/broken"),
        });
        expect((await world.show(reservation)).state).toBe("cancelled");
        expect(await getDisk(world.core, world.ann, id)).toMatchObject({
          state: "ready",
          last_snapshot: { id: body.snapshot_id },
        });
        expect(await there()).toEqual([[volume], [body.snapshot_id], []]);
        expect(await world.reserve({ disk: id })).toEqual(expect.any(String));
      });
    });
  },
);
