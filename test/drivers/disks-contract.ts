/** What every disk engine promises; one suite, run against each. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type DiskEngine, DiskRefused, type Progress } from "../../src/drivers/disks.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { newId } from "./contract.ts";
import type { Result } from "./ssh.ts";

/** An engine under test, and ways to its files that lead around it. */
export interface DiskRig {
  /** A new engine over the same disks, as after a restart of the server. */
  open(): Promise<DiskEngine>;
  /** Runs a script of bash among the files of a disk, which no pod has. */
  onDisk(disk: string, script: string): Promise<Result>;
  /** The same for a snapshot, whose files stay as they are. */
  inSnapshot(snapshot: string, script: string): Promise<Result>;
  /** Keeps a disk as a pod does, until the result is called. */
  hold(disk: string): Promise<() => Promise<void>>;
  /** Mounts, devices and processes that are left of the work. */
  remains(): Promise<string[]>;
  close(): Promise<void>;
}

export const MIB = 1024 ** 2;
export const silent: Progress = () => undefined;

/** All that a tree is, as one line: names, kinds, modes, owners, names per file, times to the nanosecond, targets, contents. */
export const FINGERPRINT = `{
  find . -type d -printf '%P|%m|%U|%G|%T@\\0' -o -printf '%P|%y|%m|%U|%G|%n|%T@|%l\\0'
  find . -type f -exec sha256sum -z {} +
} | sort -z | sha256sum`;

/** What users have on their disks, and what nobody should. */
export const ODD_FILES = `set -e
mkdir -p empty/er dir/deep; echo text >dir/file; head -c 3000000 /dev/urandom >dir/deep/big
ln dir/file dir/deep/other; ln dir/deep/big zbig; ln -s ../nowhere dir/dangling; ln -s / root
printf x >$'new\\nline'; printf y >$'not-utf8-\\xff\\xfe'; printf z >'back\\slash'; printf q >'"quotes" '"'single'"
: >-n; : >.hidden; mkfifo pipe; truncate -s 8M sparse; printf end >>sparse
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
chmod 4750 dir/file; chmod 0 .hidden; touch -d '2001-02-03 04:05:06.789012345' dir/deep/big; touch -hd 2002-02-02 root
chmod 555 dir; touch -d 1999-01-01 empty`;

export function disksContract(title: string, makeRig: () => Promise<DiskRig>): void {
  describe(title, () => {
    let rig: DiskRig;
    let engine: DiskEngine;
    let disk: string;
    let snapshot: string;

    beforeEach(async () => {
      rig = await makeRig();
      engine = await rig.open();
      [disk, snapshot] = [newId(), newId()];
    });

    afterEach(async () => {
      const { disks, snapshots } = await engine.list();
      for (const id of disks) await engine.remove({ disk: id });
      for (const id of snapshots) await engine.remove({ snapshot: id });
      const nothing = { disks: [], snapshots: [], halfMade: [], quarantined: [] };
      expect(await engine.list()).toEqual(nothing);
      expect(await rig.remains()).toEqual([]);
      await rig.close();
    });

    const output = async (running: Promise<Result>): Promise<string> => {
      const { code, stdout, stderr } = await running;
      expect(stderr).toBe("");
      expect(code).toBe(0);
      return stdout;
    };
    const onDisk = (id: string, script: string) => output(rig.onDisk(id, script));

    test("a disk is empty at first, is made once, and is gone after it was removed", async () => {
      expect(await engine.measure(disk)).toBe("absent");
      await engine.create(disk, 32 * MIB);
      expect(await engine.measure(disk)).toEqual({ usedBytes: expect.any(Number), files: 0 });
      await onDisk(disk, "head -c 1000000 /dev/zero | tr '\\0' x >kept");
      await engine.create(disk, 32 * MIB);
      const { usedBytes = 0, files } = { ...((await engine.measure(disk)) as object) } as Record<
        string,
        number
      >;
      expect(files).toBe(1);
      expect(usedBytes).toBeGreaterThanOrEqual(1_000_000);
      expect(usedBytes).toBeLessThan(1_100_000);
      expect((await engine.list()).disks).toEqual([disk]);
      await Promise.all([engine.remove({ disk }), engine.remove({ disk })]);
      expect(await engine.measure(disk)).toBe("absent");
      await engine.remove({ disk });
    });

    test("a snapshot, what is restored from it, and a clone have every file to the nanosecond and the byte", async () => {
      await engine.create(disk, 32 * MIB);
      await onDisk(disk, ODD_FILES);
      const attribute = (code: string) => `python3 -c 'import os; ${code}'`;
      await onDisk(disk, attribute('os.setxattr("zbig", "user.origin", b"here")'));
      const before = await onDisk(disk, FINGERPRINT);
      const use = await engine.snapshot(disk, snapshot, silent);
      expect(use.files).toBe(17);
      expect(await output(rig.inSnapshot(snapshot, FINGERPRINT))).toBe(before);
      await onDisk(disk, "chmod -R u+w . && rm -rf dir && echo later >later");
      const [restored, cloned] = [newId(), newId()];
      expect(await engine.restore(snapshot, restored, 24 * MIB, silent)).toEqual(use);
      await engine.clone(restored, cloned, 48 * MIB, silent);
      for (const id of [restored, cloned]) {
        expect(await onDisk(id, FINGERPRINT)).toBe(before);
        expect(await onDisk(id, attribute('print(os.getxattr("zbig", "user.origin"))'))).toBe("b'here'\n");
        // 8 MiB of holes.
        expect(Number(await onDisk(id, "stat -c %b sparse"))).toBeLessThan(100);
      }
      expect((await onDisk(disk, "ls")).split("\n")).toContain("later");
    });

    test("L-04 asking again is the same snapshot and the same disk, also of another server", async () => {
      await engine.create(disk, 32 * MIB);
      await onDisk(disk, "echo one >file");
      const [first, second] = await Promise.all([1, 2].map(() => engine.snapshot(disk, snapshot, silent)));
      expect(second).toEqual(first);
      await onDisk(disk, "echo two >file; echo >more");
      const other = await rig.open();
      expect(await other.snapshot(disk, snapshot, silent)).toEqual(first);
      expect(await output(rig.inSnapshot(snapshot, "cat file"))).toBe("one\n");
      const target = newId();
      await engine.restore(snapshot, target, 32 * MIB, silent);
      await onDisk(target, "echo mine >file");
      await other.restore(snapshot, target, 32 * MIB, silent);
      await other.clone(disk, target, 32 * MIB, silent);
      expect(await onDisk(target, "cat file")).toBe("mine\n");
    });

    test("progress never goes back, and ends with everything", async () => {
      await engine.create(disk, 64 * MIB);
      await onDisk(disk, "head -c 20000000 /dev/urandom >file");
      const told: [number, number | undefined][] = [];
      const { usedBytes } = await engine.snapshot(disk, snapshot, (done, total) => told.push([done, total]));
      const done = told.map(([bytes]) => bytes);
      expect(done).toEqual(done.toSorted((a, b) => a - b));
      expect(told.at(-1)).toEqual([usedBytes, usedBytes]);
    });

    test("work that is broken off leaves nothing, and can be begun again", async () => {
      await engine.create(disk, 64 * MIB);
      await onDisk(disk, "head -c 20000000 /dev/urandom >file");
      const stop = new AbortController();
      const progress: Progress = Object.assign(() => stop.abort(new Error("no longer wanted")), {
        signal: stop.signal,
      });
      await expect(engine.snapshot(disk, snapshot, progress)).rejects.toThrow("no longer wanted");
      await expect(engine.snapshot(disk, snapshot, progress)).rejects.toThrow("no longer wanted");
      expect(await engine.list()).toMatchObject({ snapshots: [], halfMade: [] });
      await engine.snapshot(disk, snapshot, silent);
      expect(await output(rig.inSnapshot(snapshot, "sha256sum file"))).toBe(
        await onDisk(disk, "sha256sum file"),
      );
    });

    test("D-07 a directory of a snapshot is listed page by page, and no link leads out of it", async () => {
      await engine.create(disk, 32 * MIB);
      await onDisk(disk, ODD_FILES);
      await onDisk(disk, "mkdir many; cd many; for i in {1..500}; do : >n$i; done; touch -d 2001-01-01 n7");
      const contents = (path: string, page = {}) =>
        engine.contents(snapshot, path, { limit: 1000, ...page }) as Promise<{ name: string }[]>;
      expect(await contents("")).toBe("absent");
      await engine.snapshot(disk, snapshot, silent);
      const names = (await contents("")).map((entry) => entry.name);
      expect(names).toEqual([
        ...["\"quotes\" 'single'", "-n", ".hidden", "back\\\\slash", "dir", "empty", "many"],
        ...["new\\x0aline", "not-utf8-\\xff\\xfe", "pipe", "root", "socket", "sparse", "zbig"],
      ]);
      expect(await contents("dir/deep")).toEqual([
        { name: "big", kind: "file", bytes: 3_000_000, modified: expect.stringMatching(/^2001-02-0/) },
        { name: "other", kind: "file", bytes: 5, modified: expect.any(String) },
      ]);
      expect(await contents("", { after: "new\\x0aline", limit: 3 })).toMatchObject([
        { name: "not-utf8-\\xff\\xfe", kind: "file", bytes: 1 },
        { name: "pipe", kind: "other" },
        { name: "root", kind: "link" },
      ]);
      const pages: string[] = [];
      for (let after = ""; ; ) {
        const page = await contents("/many/", { limit: 60, ...(after === "" ? {} : { after }) });
        pages.push(...page.map((entry) => entry.name));
        if (page.length < 60) break;
        after = page.at(-1)?.name ?? "";
      }
      expect(pages).toEqual(Array.from({ length: 500 }, (_, i) => `n${i + 1}`).sort());
      for (const path of [
        "root",
        "root/etc",
        "..",
        "dir/../dir",
        "\\x2e\\x2e",
        "dir\\x2fdeep",
        "zbig",
        "none",
      ])
        expect(await contents(path), path).toBe("absent");
    });

    test("D-06 another size keeps every file, and one that is too small is refused", async () => {
      await engine.create(disk, 32 * MIB);
      await onDisk(disk, ODD_FILES);
      const before = await onDisk(disk, FINGERPRINT);
      for (const size of [100, 20]) {
        await engine.resize(disk, size * MIB);
        expect(await onDisk(disk, FINGERPRINT), `${size}`).toBe(before);
      }
      await onDisk(disk, "head -c 14000000 /dev/urandom >more");
      await expect(engine.resize(disk, 16 * MIB)).rejects.toThrow(DiskRefused);
      await expect(engine.resize(disk, 16 * MIB)).rejects.toThrow(/^16Mi are too few: the files take /);
      await expect(engine.resize(disk, 1 * MIB)).rejects.toThrow("a disk has at least 16Mi");
      await engine.snapshot(disk, snapshot, silent);
      await expect(engine.restore(snapshot, newId(), 16 * MIB, silent)).rejects.toThrow(DiskRefused);
      await expect(engine.clone(disk, newId(), 16 * MIB, silent)).rejects.toThrow(DiskRefused);
      expect(await engine.list()).toMatchObject({ disks: [disk], halfMade: [] });
    });

    test("what there is no source for is refused, in words", async () => {
      const none = newId();
      await expect(engine.snapshot(none, snapshot, silent)).rejects.toThrow(DiskRefused);
      await expect(engine.snapshot(none, snapshot, silent)).rejects.toThrow("data of the disk are not there");
      const restored = engine.restore(none, newId(), 32 * MIB, silent);
      await expect(restored).rejects.toThrow("the data of the snapshot are not there");
      await expect(engine.clone(none, newId(), 32 * MIB, silent)).rejects.toThrow(DiskRefused);
      await expect(engine.resize(none, 32 * MIB)).rejects.toThrow(DiskRefused);
      await expect(engine.create("../../etc", 32 * MIB)).rejects.toThrow("is not the id of a disk");
      expect(await engine.list()).toMatchObject({ disks: [], snapshots: [], halfMade: [] });
    });

    test("a disk that a pod has is left alone, and free again when the pod is gone", async () => {
      await engine.create(disk, 32 * MIB);
      await onDisk(disk, "echo mine >file");
      const release = await rig.hold(disk);
      for (const work of [
        () => engine.snapshot(disk, snapshot, silent),
        () => engine.clone(disk, newId(), 32 * MIB, silent),
        () => engine.resize(disk, 20 * MIB),
        () => engine.remove({ disk }),
        () => engine.quarantine(disk),
      ]) {
        const refused = await work().catch((error) => error);
        expect(refused).toBeInstanceOf(DriverError);
        expect(refused.message).toBe("the disk is in use by a pod, or by other work on it");
      }
      expect(await engine.list()).toMatchObject({ disks: [disk], snapshots: [], halfMade: [] });
      await release();
      await engine.snapshot(disk, snapshot, silent);
      expect(await output(rig.inSnapshot(snapshot, "cat file"))).toBe("mine\n");
    });

    test("D-11 what is put in quarantine is out of the way, and deleted only after its time", async () => {
      await engine.create(disk, 32 * MIB);
      await engine.snapshot(disk, snapshot, silent);
      const since = Date.now();
      await engine.quarantine(disk);
      await engine.quarantine(snapshot);
      await engine.quarantine(newId());
      const { disks, snapshots, quarantined } = await engine.list();
      expect([disks, snapshots]).toEqual([[], []]);
      expect(quarantined.map(({ name }) => name).sort()).toEqual([disk, snapshot].sort());
      for (const entry of quarantined) expect(Date.parse(entry.since)).toBeGreaterThanOrEqual(since);
      expect(await engine.expireQuarantine(3600)).toEqual([]);
      expect((await engine.expireQuarantine(0)).sort()).toEqual([disk, snapshot].sort());
      expect((await engine.list()).quarantined).toEqual([]);
    });
  });
}
