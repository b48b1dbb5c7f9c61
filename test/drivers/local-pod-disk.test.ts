/** A named disk as the home of a pod of the local driver. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { DiskEngine } from "../../src/drivers/disks.ts";
import { type Driver, LaunchRefused, type PodSpec } from "../../src/drivers/driver.ts";
import { createLocalDisks } from "../../src/drivers/local-disks.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { FINGERPRINT, MIB, silent } from "./disks-contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";
import { LocalRig } from "./local-rig.ts";
import { type KeyPair, makeKey, PodAccess, run, temporaryDirectory } from "./ssh.ts";

const root = process.getuid?.() === 0;

/** Where pods are, and where their disks would be. */
const WAYS = [
  ["namespaces", "namespaces", "images"],
  ["namespaces", "processes", "directories"],
  ["processes", "processes", "directories"],
] as const;

describe.each(WAYS)("pods in %s, disks for %s: %s", (isolation, disksFor) => {
  // What differs there is only where the files are.
  const alike = isolation !== disksFor;

  describe.skipIf(isolation === "namespaces" && !root)("(namespaces need root)", () => {
    let rig: LocalRig;
    let driver: Driver;
    let engine: DiskEngine;
    let dir: string;
    let user: KeyPair;
    let host: KeyPair;
    let volume: string;

    beforeEach(async () => {
      [rig, dir] = await Promise.all([LocalRig.make(isolation), temporaryDirectory()]);
      driver = await rig.open();
      engine = await createLocalDisks({ dataDir: rig.options.dataDir, isolation: disksFor });
      [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
      volume = newId();
      await engine.create(volume, 32 * MIB);
    });

    afterEach(async () => {
      expect(await rig.sweep(driver)).toEqual([]);
      await engine.remove({ disk: volume });
      const loops = await run("losetup", ["--list", "--noheadings", "--output", "BACK-FILE"]);
      expect(loops.stdout).not.toContain(rig.base);
      await rig.close();
      await rm(dir, { recursive: true });
    });

    const specWithDisk = async (disk = volume): Promise<PodSpec> => ({
      ...(await podSpec(driver, host, user)),
      disk: { volume: disk },
    });

    async function launch(spec: PodSpec): Promise<PodAccess> {
      await driver.launch(spec);
      await untilRunning(driver, spec.name);
      return PodAccess.open(driver, spec.name, host.publicKey);
    }

    test("what a pod leaves at home is there for the next one, and nothing of ours", async () => {
      const first = await specWithDisk();
      const access = await launch(first);
      const made = await access.ssh(
        user,
        "pwd; echo kept >file; mkdir own; chmod 500 own; echo mine >.profile; df -k . | tail -n 1",
      );
      expect(made).toMatchObject({ code: 0, stderr: "" });
      const [home, size] = made.stdout.split("\n");
      if (disksFor === "namespaces") {
        expect(Number(size?.split(/\s+/)[1])).toBeLessThan(32 * 1024);
        const more = await access.ssh(user, "head -c 40000000 /dev/zero >more; rm more");
        expect(more.stderr).toContain("No space left on device");
      }
      await driver.update(first.name, { endNotice: "it ends at 16:32" });
      expect((await access.ssh(user, "cat GPU_DEV_NOTICE")).stdout).toBe("it ends at 16:32\n");
      await access.close();
      await driver.terminate(first.name);
      const use = await engine.snapshot(volume, newId(), silent);
      expect(use.files).toBeGreaterThan(0);

      const second = await specWithDisk();
      const again = await launch(second);
      const seen = await again.ssh(
        user,
        "pwd; cat file .profile; stat -c %a own; ls; id -un; stat -c %U file",
      );
      const name = driver.sshUser;
      expect(seen.stdout).toBe(`${home}\nkept\nmine\n500\nfile\nown\n${name}\n${name}\n`);
      await again.close();
    });

    test.skipIf(alike)(
      "a notice of a pod that was killed is not shown to the next one, and a directory of that name stays",
      async () => {
        const first = await specWithDisk();
        const access = await launch(first);
        await driver.update(first.name, { endNotice: "it ends at 16:32" });
        await rig.kill(first.name);
        await access.close();
        await driver.terminate(first.name);
        const second = await specWithDisk();
        const again = await launch(second);
        expect((await again.ssh(user, "ls; mkdir -p GPU_DEV_NOTICE/mine")).stdout).toBe("");
        await again.close();
        await driver.terminate(second.name);
        const last = await launch(await specWithDisk());
        expect((await last.ssh(user, "ls GPU_DEV_NOTICE")).stdout).toBe("mine\n");
        await last.close();
      },
    );

    test.skipIf(alike || !root)(
      "D-10 a start touches no file of a disk that is in use, so that their number does not matter",
      async () => {
        const disks = new LocalDiskRig(rig.base, { dataDir: rig.options.dataDir, isolation });
        const made = await disks.onDisk(
          volume,
          "mkdir own; for i in {1..300}; do echo $i >own/$i; done; chown -R 4242:4243 . && chmod 711 .",
        );
        expect(made).toMatchObject({ code: 0, stderr: "" });
        const before = await disks.onDisk(volume, FINGERPRINT);
        const spec = await specWithDisk();
        await driver.launch(spec);
        await untilRunning(driver, spec.name);
        await driver.terminate(spec.name);
        expect((await disks.onDisk(volume, FINGERPRINT)).stdout).toBe(before.stdout);
      },
    );

    test("D-01 two pods never have one disk, also when they start at the same moment", async () => {
      const specs = await Promise.all([specWithDisk(), specWithDisk()]);
      const other = await rig.open();
      const launched = await Promise.allSettled(
        specs.map((spec, i) => (i === 0 ? driver : other).launch(spec)),
      );
      const refused = launched.flatMap((l) => (l.status === "rejected" ? [l.reason] : []));
      expect(refused).toEqual([expect.any(LaunchRefused)]);
      expect(refused[0].message).toBe("another pod has the disk, or it is being copied");
      const [winner = ""] = (await driver.list()).pods;
      expect((await driver.list()).pods).toEqual([winner]);
      await untilRunning(driver, winner);
      const late = await specWithDisk();
      await expect(driver.launch(late)).rejects.toThrow(LaunchRefused);
      await expect(engine.snapshot(volume, newId(), silent)).rejects.toThrow("the disk is in use by a pod");
      await driver.terminate(winner);
      await driver.launch(late);
      await untilRunning(driver, late.name);
      await other.close();
    });

    test.skipIf(alike)("L-04 launching again with a disk is the same pod, which keeps it", async () => {
      const spec = await specWithDisk();
      const access = await launch(spec);
      const other = await rig.open();
      await Promise.all([driver.launch(spec), other.launch(spec)]);
      expect((await access.ssh(user, "echo here")).stdout).toBe("here\n");
      expect(await rig.running(spec.name)).toBe(1);
      await access.close();
      await other.close();
    });

    test.skipIf(alike)(
      "D-02 a pod whose disk is not there, damaged or not the id of one is refused, and nothing of it is left",
      async () => {
        const gone = driver.launch(await specWithDisk(newId()));
        await expect(gone).rejects.toThrow(LaunchRefused);
        await expect(gone).rejects.toThrow("the data of the disk are not there");
        await expect(driver.launch(await specWithDisk("../../etc"))).rejects.toThrow(
          "is not the id of a disk",
        );
        const image = join(rig.options.dataDir, "disks", volume, "image");
        if (disksFor === "namespaces") {
          await run("dd", ["if=/dev/zero", `of=${image}`, "bs=1k", "seek=1", "count=1", "conv=notrunc"]);
          const damaged = driver.launch(await specWithDisk());
          await expect(damaged).rejects.toThrow(LaunchRefused);
          await expect(damaged).rejects.toThrow("the disk's file system is damaged");
          // A first block that looks right, and nothing behind it.
          await run("mkfs.ext4", ["-q", "-F", image]);
          await run("truncate", ["-s", "1M", image]);
          const cut = driver.launch(await specWithDisk());
          await expect(cut).rejects.toThrow(LaunchRefused);
          await expect(cut).rejects.toThrow("the disk cannot be mounted");
        } else {
          await rm(join(rig.options.dataDir, "disks", volume, "home"), { recursive: true });
          await writeFile(join(rig.options.dataDir, "disks", volume, "home"), "");
          await expect(driver.launch(await specWithDisk())).rejects.toThrow(LaunchRefused);
        }
        expect((await driver.list()).pods).toEqual([]);
      },
    );
  });
});
