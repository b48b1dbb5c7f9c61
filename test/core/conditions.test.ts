import { expect, test } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";

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
