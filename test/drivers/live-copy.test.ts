/** Copying a tree whose user does to it what he likes meanwhile. */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { link, mkdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, onTestFinished, test } from "vitest";
import { copyLive } from "../../src/drivers/local-disks/live-copy.ts";
import { lacks, mountMedium } from "./medium.ts";
import { run, temporaryDirectory } from "./ssh.ts";

const noXfs = lacks("xfs");

let base: string;
let from: string;
let to: string;
beforeEach(async () => {
  base = await temporaryDirectory();
  [from, to] = [join(base, "from"), join(base, "to")];
  await mkdir(from);
  await mkdir(to);
});
afterEach(() => rm(base, { recursive: true }));

const copy = (meanwhile: (bytes: number) => void = () => undefined) =>
  copyLive(from, to, async (bytes) => meanwhile(bytes));

test("what nobody touches is the same: contents, modes, times, links, names of one file, holes", async () => {
  const script = `mkdir -p dir/deep empty && echo text >dir/file && ln dir/file dir/deep/other && ln -s ../nowhere dir/link
    printf x >$'not-utf8-\\xff' && truncate -s 8M sparse && printf end >>sparse && : >none && mkfifo pipe
    chmod 4750 dir/file && chmod 0 none && touch -d '2001-02-03 04:05:06' dir/file dir && touch -hd 2002-02-02 dir/link`;
  await run("bash", ["-c", `cd "$1" && ${script}`, "bash", from]);
  expect(await copy()).toBe(0);
  const list = `cd "$1" && find . -printf '%P|%y|%m|%U|%G|%n|%l|' -printf '%.19T+\\n' | grep -v pipe | sort && find . -type f -exec sha256sum {} + | sort`;
  const seen = async (tree: string) => (await run("bash", ["-c", list, "bash", tree])).stdout;
  const top = /^\|d\|.*\n/m;
  expect((await seen(to)).replace(top, "")).toBe((await seen(from)).replace(top, ""));
  expect((await stat(join(to, "sparse"))).blocks).toBeLessThan(100);
  expect(existsSync(join(to, "pipe"))).toBe(false);
});

test("X-03 a directory that becomes a link while it is copied leads nowhere", async () => {
  const outside = join(base, "outside");
  for (const place of [join(from, "work"), outside]) mkdirSync(place);
  for (const name of ["a", "b", "c"]) {
    writeFileSync(join(from, "work", name), "mine");
    writeFileSync(join(outside, name), "secret");
  }
  let swapped = false;
  await copy((bytes) => {
    if (swapped || bytes === 0) return;
    swapped = true;
    renameSync(join(from, "work"), join(from, "moved"));
    symlinkSync(outside, join(from, "work"));
  });
  expect(swapped).toBe(true);
  for (const name of ["a", "b", "c"]) expect(await readFile(join(to, "work", name), "utf8")).toBe("mine");
});

test("a link is copied as one, wherever it leads", async () => {
  symlinkSync("/etc", join(from, "etc"));
  await copy();
  expect(await readlink(join(to, "etc"))).toBe("/etc");
});

test("D-03 a file that changes once is copied again, one that changes each time is counted, one that goes is left out", async () => {
  await writeFile(join(from, "once"), "first");
  await writeFile(join(from, "gone"), "gone");
  await mkdir(join(from, "later"));
  await writeFile(join(from, "later", "always"), "x");
  let changes = 0;
  // The order of a directory is its file system's.
  const changing = await copy((bytes) => {
    if (changes === 0 && bytes > 0) {
      changes += 1;
      writeFileSync(join(from, "once"), "second");
      rmSync(join(from, "gone"));
    }
    appendFileSync(join(from, "later", "always"), "x");
  });
  expect(await readFile(join(to, "once"), "utf8")).toBe("second");
  expect(changing).toBe(1);
});

test.skipIf(noXfs !== undefined)(
  "D-03 a file that got the number of one that is gone is not taken for that",
  async () => {
    const medium = mountMedium("xfs");
    if (typeof medium === "string") throw new Error(medium);
    onTestFinished(() => medium.unmount());
    [from, to] = [join(medium.directory, "from"), join(medium.directory, "to")];
    for (const place of [from, to]) await mkdir(place);
    // Names are read in their order.
    await writeFile(join(from, "old"), "old");
    await link(join(from, "old"), join(from, "other"));
    await mkdir(join(from, "then"));
    const [made, moved] = [join(from, "made"), join(from, "then", "new")];
    const until = Date.now() + 20_000;
    await copy(() => {
      if (existsSync(moved) || !existsSync(join(to, "other"))) return;
      const { ino } = statSync(join(from, "old"));
      for (const name of ["old", "other"]) rmSync(join(from, name));
      do {
        rmSync(made, { force: true });
        writeFileSync(made, "new");
      } while (statSync(made).ino !== ino && Date.now() < until);
      expect(statSync(made).ino).toBe(ino);
      renameSync(made, moved);
    });
    expect(await readFile(join(to, "then", "new"), "utf8")).toBe("new");
  },
);
