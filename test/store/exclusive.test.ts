import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { type Hold, holdAlone, holdTogether } from "../../src/store/exclusive.ts";

let path: string;
beforeEach(() => {
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-lock-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  path = join(dir, "lock");
});

const had = (hold: Hold | undefined): Hold => {
  if (!hold) throw new Error("the lock could not be had");
  return hold;
};

test("one has it alone, until it lets go", () => {
  const first = had(holdAlone(path));
  expect(holdAlone(path)).toBeUndefined();
  expect(holdTogether(path, "a")).toBeUndefined();
  first.close();
  had(holdAlone(path)).close();
});

test("a group has it together, and neither another group nor anybody alone gets it until the last has gone", () => {
  const [one, two] = [had(holdTogether(path, "a")), had(holdTogether(path, "a"))];
  expect(holdTogether(path, "b")).toBeUndefined();
  one.close();
  expect(holdTogether(path, "b")).toBeUndefined();
  expect(holdAlone(path)).toBeUndefined();
  const three = had(holdTogether(path, "a"));
  two.close();
  three.close();
  had(holdTogether(path, "b")).close();
  had(holdAlone(path)).close();
});
