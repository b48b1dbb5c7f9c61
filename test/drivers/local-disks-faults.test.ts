/** A medium that is full or cannot be read, and what a crash left. */
import { statfsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DiskEngine, DiskRefused } from "../../src/drivers/disks.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { runJob } from "../../src/drivers/local-disks/job.ts";
import { newId } from "./contract.ts";
import { MIB, silent } from "./disks-contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";
import { run } from "./ssh.ts";

const root = process.getuid?.() === 0;
/** The magic number of its superblock: its files have 16 TiB at most. */
const EXT4 = 0xef53;

describe.each(["processes", "namespaces"] as const)("%s", (isolation) => {
  describe.skipIf(isolation === "namespaces" && !root)("(namespaces need root)", () => {
    let rig: LocalDiskRig;
    let engine: DiskEngine;
    let disk: string;
    let snapshot: string;

    beforeEach(async () => {
      rig = await LocalDiskRig.make(isolation);
      [disk, snapshot] = [newId(), newId()];
    });

    afterEach(async () => {
      expect(await rig.remains()).toEqual([]);
      await rig.close();
    });

    const output = async (id: string, script: string): Promise<string> => {
      const ran = await rig.onDisk(id, script);
      expect(ran).toMatchObject({ code: 0, stderr: "" });
      return ran.stdout;
    };

    test.skipIf(!root)(
      "a copy that does not fit is refused before it is begun, leaves nothing, and takes nothing with it",
      async () => {
        const { dataDir } = rig.options;
        await run("mount", ["-t", "tmpfs", "-o", "size=10m", "full", dataDir]);
        try {
          engine = await rig.open();
          await engine.create(disk, 32 * MIB);
          const sum = await output(disk, "head -c 4000000 /dev/urandom >file; sha256sum file");
          await engine.snapshot(disk, snapshot, silent);
          const target = newId();
          const restored = engine.restore(snapshot, target, 32 * MIB, silent);
          await expect(restored).rejects.toThrow(DiskRefused);
          await expect(restored).rejects.toThrow(/^a copy does not fit: it takes .+, and .+ are free$/);
          await expect(restored).rejects.not.toThrow(dataDir);
          expect(await engine.list()).toMatchObject({ disks: [disk], snapshots: [snapshot], halfMade: [] });
          expect(await output(disk, "sha256sum file")).toBe(sum);
          await run("mount", ["-o", "remount,size=64m", dataDir]);
          await engine.restore(snapshot, target, 32 * MIB, silent);
          expect(await output(target, "sha256sum file")).toBe(sum);
        } finally {
          await run("umount", [dataDir]);
        }
      },
    );

    test.skipIf(isolation === "processes" || statfsSync(tmpdir()).type !== EXT4)(
      "a disk that no file can hold is refused, in words, and leaves nothing",
      async () => {
        engine = await rig.open();
        const created = engine.create(disk, 1024 ** 5);
        await expect(created).rejects.toThrow(DiskRefused);
        await expect(created).rejects.toThrow("larger than a file can be");
        expect(await engine.list()).toMatchObject({ disks: [], halfMade: [] });
      },
    );

    test("a snapshot that is damaged is never restored, and the file is named", async () => {
      engine = await rig.open();
      await engine.create(disk, 32 * MIB);
      await output(disk, "echo text >file; echo other >zfile");
      await engine.snapshot(disk, snapshot, silent);
      const file = join(rig.snapshot(snapshot), "home", "file");
      const { atime, mtime } = await stat(file);
      await writeFile(file, "tixt\n");
      await utimes(file, atime, mtime);
      const restored = engine.restore(snapshot, newId(), 32 * MIB, silent);
      await expect(restored).rejects.toThrow(DiskRefused);
      await expect(restored).rejects.toThrow('the snapshot is damaged: "file" is not what it was');
      await writeFile(file, "text\n");
      await utimes(file, atime, mtime);
      await engine.restore(snapshot, newId(), 32 * MIB, silent);
      const list = join(rig.snapshot(snapshot), "list");
      await writeFile(list, (await readFile(list, "utf8")).split("\n").slice(0, 1).join("\n"));
      const shortened = engine.restore(snapshot, newId(), 32 * MIB, silent);
      await expect(shortened).rejects.toThrow('the snapshot is damaged: "file" is not what it was');
      expect((await engine.list()).halfMade).toEqual([]);
    });

    test("two servers that make the same disk at once are in nobody's way: the first whole one stays", async () => {
      engine = await rig.open();
      const other = await rig.open();
      await engine.create(disk, 32 * MIB);
      const sum = await output(disk, "head -c 4000000 /dev/urandom >file; sha256sum file");
      await engine.snapshot(disk, snapshot, silent);
      const target = newId();
      await Promise.all([engine, other].map((one) => one.restore(snapshot, target, 32 * MIB, silent)));
      expect(await output(target, "sha256sum file")).toBe(sum);
      const found = await engine.list();
      expect(found.disks.toSorted()).toEqual([disk, target].toSorted());
      expect(found.halfMade).toEqual([]);
    });

    test("another server that makes the same disk takes nothing away from an attempt that goes on", async () => {
      engine = await rig.open();
      const other = await rig.open();
      const [made, others] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      const confirm = () => {
        made.resolve();
        return others.promise;
      };
      const slow = engine.create(
        disk,
        32 * MIB,
        Object.assign(() => undefined, { confirm }),
      );
      await made.promise;
      await other.create(disk, 32 * MIB);
      await expect(other.remove({ disk })).rejects.toThrow("it is still being worked on, by another server");
      expect(await output(disk, "echo kept >file; cat file")).toBe("kept\n");
      others.resolve();
      await slow;
      expect(await output(disk, "cat file")).toBe("kept\n");
      expect(await readdir(rig.disk(""))).toEqual([disk]);
    });

    test("what another server is making is removed only once nobody works on it", async () => {
      engine = await rig.open();
      const theirs = `${disk}.0123abcd.new`;
      await mkdir(join(rig.disk(theirs), "home"), { recursive: true });
      const release = await rig.hold(theirs);
      await expect(engine.remove({ disk })).rejects.toThrow("it is still being worked on");
      await expect(engine.discardHalfMade(`disks/${theirs}`)).rejects.toThrow("it is still being worked on");
      await engine.create(disk, 32 * MIB);
      expect((await readdir(rig.disk(""))).toSorted()).toEqual([disk, theirs].toSorted());
      await release();
      await engine.remove({ disk });
      expect(await readdir(rig.disk(""))).toEqual([]);
    });

    test("what a crash left is told apart, replaced by the next try, or discarded", async () => {
      engine = await rig.open();
      const places = [rig.disk(`${disk}.new`), rig.snapshot(`${snapshot}.new`), rig.disk(`${newId()}.gone`)];
      const halfMade = places.map((place) => place.slice(rig.options.dataDir.length + 1));
      for (const place of [...places, rig.disk("lost+found"), rig.disk(`${disk}.new.new`)])
        await mkdir(join(place, "home", "left"), { recursive: true });
      const found = await engine.list();
      expect(found).toMatchObject({ disks: [], snapshots: [] });
      expect(found.halfMade.toSorted()).toEqual(halfMade.toSorted());
      expect(await engine.measure(disk)).toBe("absent");
      expect(await engine.contents(snapshot, "", { limit: 9 })).toBe("absent");
      await engine.create(disk, 32 * MIB);
      expect(await output(disk, "ls -A")).toBe("");
      for (const name of halfMade) await engine.discardHalfMade(name);
      for (const name of halfMade) await engine.discardHalfMade(name);
      expect((await engine.list()).halfMade).toEqual([]);
      for (const name of [disk, `disks/${disk}`, "disks/lost+found", `../disks/${disk}.new`, "disks/..new"])
        await expect(engine.discardHalfMade(name), name).rejects.toThrow(
          "is not the name of something half made",
        );
      expect((await readdir(rig.disk(""))).sort()).toEqual([disk, `${disk}.new.new`, "lost+found"].sort());
    });
  });
});

test("work that is broken off while its process is being started does nothing", async () => {
  const rig = await LocalDiskRig.make("processes");
  const [from, to] = [join(rig.base, "from"), join(rig.base, "to")];
  await mkdir(join(from, "file"), { recursive: true });
  await mkdir(to);
  const stopping = new AbortController();
  const progress = Object.assign(() => undefined, { signal: stopping.signal });
  const job = runJob({ from, to }, { volumes: [] }, progress);
  stopping.abort(new Error("broken off"));
  await expect(job).rejects.toThrow("broken off");
  expect(await readdir(to)).toEqual([]);
  expect(await rig.remains()).toEqual([]);
  await rig.close();
});

test.skipIf(!root)(
  "a file that cannot be read fails the snapshot with its name, and nothing of it is left",
  async () => {
    const rig = await LocalDiskRig.make("namespaces");
    const engine = await rig.open();
    const [disk, snapshot] = [newId(), newId()];
    await engine.create(disk, 32 * MIB);
    await rig.onDisk(disk, "mkdir dir; head -c 3000000 /dev/urandom >dir/broken; echo text >well");
    // The map of its blocks is no map: the kernel reads that as an error of the medium.
    const image = join(rig.disk(disk), "image");
    const damage = await run("debugfs", ["-w", "-R", "set_inode_field /home/dir/broken block[0] 0", image]);
    expect(damage.code).toBe(0);
    const failed = engine.snapshot(disk, snapshot, silent);
    await expect(failed).rejects.toThrow(DriverError);
    await expect(failed).rejects.toThrow('"dir/broken" cannot be read: the file system is damaged there');
    await expect(failed).rejects.not.toThrow(rig.base);
    expect(await engine.list()).toMatchObject({ disks: [disk], snapshots: [], halfMade: [] });
    // Repaired is what is left of it.
    await run("e2fsck", ["-f", "-y", image]);
    await engine.snapshot(disk, snapshot, silent);
    expect(await engine.contents(snapshot, "", { limit: 9 })).toMatchObject([
      { name: "dir" },
      { name: "well" },
    ]);
    expect(await rig.remains()).toEqual([]);
    await rig.close();
  },
);
