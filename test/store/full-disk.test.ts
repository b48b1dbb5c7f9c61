/** The disk of the database is that of the pods' files, and a pod can fill it. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openStore } from "../../src/store/db.ts";
import { metaOr } from "../../src/store/meta.ts";

const MIB = 1024 * 1024;

describe.skipIf(process.getuid?.() !== 0)("a small disk (needs root)", () => {
  let disk: string;
  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), "gpu-dev-disk-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=8m", "tmpfs", disk]);
  });
  afterEach(() => {
    execFileSync("umount", [disk]);
    rmSync(disk, { recursive: true });
  });

  const fill = () => {
    expect(() => writeFileSync(join(disk, "fill"), Buffer.alloc(16 * MIB))).toThrow("ENOSPC");
    expect(statfsSync(disk).bavail).toBe(0);
  };

  test("L-05 what ends a reservation is still written when a pod has filled the disk", async () => {
    const store = await openStore({ url: `sqlite:${join(disk, "test.db")}` });
    fill();
    for (let i = 0; i < 1000; i++) await store.write((tx) => metaOr(tx, `key ${i}`, "x".repeat(500)));
    await store.close();
  });

  test("D-09 when nothing is left, a write is refused as 'try again', and works once there is room", async () => {
    const store = await openStore({ url: `sqlite:${join(disk, "test.db")}` });
    fill();
    const large = () => store.write((tx) => metaOr(tx, "large", "x".repeat(4 * MIB)));
    await expect(large()).rejects.toMatchObject({ code: "unavailable", cause: { code: "SQLITE_FULL" } });
    expect(await store.write((tx) => metaOr(tx, "small", "x"))).toBe("x");
    rmSync(join(disk, "fill"));
    expect(await large()).toHaveLength(4 * MIB);
    await store.close();
  });
});
