/** Who stands in line for a lock, and for how long. */
import { expect, test } from "vitest";
import { createTurns } from "../../src/store/turns.ts";

test("D-09 who waits too long is told so while the one before is still at it, and is not done after all", async () => {
  const turns = createTurns(20);
  const done: string[] = [];
  const slow = Promise.withResolvers<void>();
  const first = turns.take("schedule", () => slow.promise);
  const second = turns.take("schedule", async () => done.push("second"));
  await expect(second).rejects.toMatchObject({ code: "unavailable", retryAfter: 1 });
  slow.resolve();
  await first;
  await turns.take("schedule", async () => done.push("third"));
  expect(done).toEqual(["third"]);
});

test("one that fails does not keep the next from its turn, and other keys do not wait", async () => {
  const turns = createTurns();
  const slow = Promise.withResolvers<void>();
  const first = turns.take("schedule", () => slow.promise);
  const second = turns.take("schedule", async () => "second");
  expect(await turns.take("usage", async () => "other")).toBe("other");
  slow.reject(new Error("broken"));
  await expect(first).rejects.toThrow("broken");
  expect(await second).toBe("second");
});
