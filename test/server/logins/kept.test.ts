import { expect, test } from "vitest";
import { kept } from "../../../src/server/logins/kept.ts";

test("B-07 what is kept is made once for all who wait, and anew when it is too old; a failure is not kept", async () => {
  const clock = { now: 0 };
  const made: (() => number)[] = [() => 1, () => expect.fail("down"), () => 3, () => 4];
  let count = 0;
  const get = kept(
    async () => made[count++]?.(),
    1000,
    () => clock.now,
  );
  expect(await Promise.all([get(), get()])).toEqual([1, 1]);
  clock.now = 1000;
  expect(await get()).toBe(1);
  clock.now = 1001;
  await expect(get()).rejects.toThrow("down");
  expect(await get()).toBe(3);
  expect(await get()).toBe(3);
  expect(count).toBe(3);
});
