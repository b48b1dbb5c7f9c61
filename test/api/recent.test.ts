import { expect, test } from "vitest";
import { Recent } from "../../src/api/recent.ts";

test("what was set last is known, as many as that", () => {
  const recent = new Recent<number>(2);
  recent.set("a", 1).set("b", 2).set("a", 3).set("c", 4);
  expect([...recent]).toEqual([
    ["a", 3],
    ["c", 4],
  ]);
});

test("without a number it is bounded all the same", () => {
  const recent = new Recent();
  for (let i = 0; i <= 10_000; i++) recent.set(`pod-${i}`, true);
  expect([recent.size, recent.has("pod-0"), recent.has("pod-1")]).toEqual([10_000, false, true]);
});
