/** Memories that do not grow with what there ever was. */
import { expect, test } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";
import { Recent } from "../../src/core/recent.ts";

test("those that were added last are known, as many as that", () => {
  const recent = new Recent(2);
  recent.add("a").add("b").add("a").add("c");
  expect([...recent]).toEqual(["a", "c"]);
});

test("what fails and is never heard of again is forgotten at last, and what fails on is said once", async () => {
  const said: unknown[] = [];
  const { watch } = createConditions((level, fields) => said.push([level, fields.condition]));
  const fail = (key: string) => watch(key, "it failed", () => Promise.reject(new Error("no")));
  await fail("first");
  await fail("first");
  for (let i = 0; i < 999; i++) await fail(`orphan ${i}`);
  await fail("first");
  expect(said).toHaveLength(1000);
  for (let i = 999; i < 2000; i++) await fail(`orphan ${i}`);
  said.length = 0;
  await fail("first");
  await fail("orphan 1999");
  await watch("orphan 1998", "it failed", () => Promise.resolve());
  expect(said).toEqual([
    ["error", "first"],
    ["info", "orphan 1998"],
  ]);
});
