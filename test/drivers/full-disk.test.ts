/** Pods and their driver have one disk, which a pod can fill. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { closeClaim, readClaim } from "../../src/drivers/local/control.ts";
import { writeWhole } from "../../src/drivers/local/pod-dir.ts";
import { podSpec } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";
import { makeKey, temporaryDirectory } from "./ssh.ts";

const MIB = 1024 * 1024;

test("a file that cannot be put in its place leaves nothing beside it", async () => {
  const dir = await temporaryDirectory();
  mkdirSync(join(dir, "file"));
  await expect(writeWhole(join(dir, "file"), "text")).rejects.toMatchObject({ code: "EISDIR" });
  expect(readdirSync(dir)).toEqual(["file"]);
  rmSync(dir, { recursive: true });
});

describe.skipIf(process.getuid?.() !== 0)("a full disk (needs root)", () => {
  let disk: string;
  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), "gpu-dev-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m,nr_inodes=200", "tmpfs", disk]);
  });
  afterEach(() => {
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  });

  const fill = () =>
    expect(() => writeFileSync(join(disk, "fill"), Buffer.alloc(16 * MIB))).toThrow("ENOSPC");

  test("a file that there is no room for leaves nothing, however often it is tried", async () => {
    fill();
    for (let i = 0; i < 3; i++)
      await expect(writeWhole(join(disk, "file"), "text")).rejects.toMatchObject({ code: "ENOSPC" });
    expect(readdirSync(disk)).toEqual(["fill"]);
  });

  test.each([
    ["bytes", fill],
    [
      "files",
      () =>
        expect(() => {
          for (let i = 0; i < 200; i++) writeFileSync(join(disk, `${i}`), "");
        }).toThrow("ENOSPC"),
    ],
  ])("L-05 a pod's claim is closed where there is no room for more %s", async (_, use) => {
    const pod = join(disk, "pod");
    mkdirSync(join(pod, "control"), { recursive: true });
    writeFileSync(join(pod, "control", "start"), "");
    use();
    await closeClaim(pod);
    expect(await readClaim(pod)).toBe("ended");
    expect(readdirSync(join(pod, "control"))).toEqual(["claim"]);
  });

  test("L-05 a launch without room says so and leaves nothing", async () => {
    const [dir, rig] = [await temporaryDirectory(), await LocalRig.make("processes", {}, disk)];
    const driver = await rig.open();
    const [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    const spec = await podSpec(driver, host, user);
    fill();
    await expect(driver.launch(spec)).rejects.toMatchObject({
      name: "DriverError",
      message: expect.stringContaining("ENOSPC"),
    });
    expect(await rig.remains(spec.name)).toEqual([]);
    expect(await rig.sweep(driver)).toEqual([]);
    rmSync(dir, { recursive: true });
  });
});
