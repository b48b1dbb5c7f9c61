import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { prepareDataDir } from "../../src/server/data-dir.ts";

let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), "gd-data-"));
});
afterEach(() => rmSync(parent, { recursive: true }));

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("X-09 a new data directory, an empty one and an earlier one of ours end up for us alone", async () => {
  const path = join(parent, "a", "data");
  await prepareDataDir(path);
  expect(mode(path)).toBe("700");
  chmodSync(path, 0o755);
  await prepareDataDir(path);
  expect(mode(path)).toBe("700");
  writeFileSync(join(path, "gpu-dev.db"), "");
  chmodSync(path, 0o755);
  await prepareDataDir(path);
  expect(mode(path)).toBe("700");
});

test("X-09 a directory that others use is refused and left as it is", async () => {
  const path = join(parent, "shared");
  mkdirSync(path);
  chmodSync(path, 0o755);
  writeFileSync(join(path, "theirs"), "");
  await expect(prepareDataDir(path)).rejects.toThrow(/open to other users and holds other files.*chmod 700/);
  expect(mode(path)).toBe("755");
});

test.skipIf(process.getuid?.() !== 0)(
  "X-09 a directory of another user is refused, also to root",
  async () => {
    const path = join(parent, "planted");
    mkdirSync(path, { mode: 0o700 });
    chownSync(path, 12_345, 12_345);
    await expect(prepareDataDir(path)).rejects.toThrow(/belongs to another user \(uid 12345\).*chown it/);
  },
);

test("a path that cannot be a directory is an error with the path and the flag", async () => {
  const path = join(parent, "file");
  writeFileSync(path, "");
  await expect(prepareDataDir(join(path, "data"))).rejects.toThrow(
    `the data directory ${join(path, "data")} cannot be used (ENOTDIR); choose another with --data-dir`,
  );
});
