/** What the Docker driver knows of pods that other servers take away. */
import { expect, test } from "vitest";
import { Recent } from "../../src/drivers/docker/recent.ts";

test("what is known of pods is bounded, whoever takes them away", () => {
  const known = new Recent<number>();
  for (let i = 0; i < 10_001; i++) {
    known.set(`pod-${i}`, i);
    known.set("always", i);
  }
  expect([known.size, known.get("pod-1"), known.get("pod-10000")]).toEqual([10_000, undefined, 10_000]);
  expect(known.get("always")).toBe(10_000);
});
