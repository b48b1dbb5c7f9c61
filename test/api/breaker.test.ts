import { expect, test } from "vitest";
import { Breaker } from "../../src/api/breaker.ts";

function open() {
  const world = { now: 0, told: [] as (string | undefined)[] };
  const breaker = new Breaker({
    failures: 3,
    pauseMs: 1000,
    longestMs: 4000,
    trialMs: 10_000,
    now: () => world.now,
    changed: (fault) => world.told.push(fault?.message),
  });
  const fail = (times = 1) => {
    for (let i = 0; i < times; i++) breaker.failed(new Error("no answer"));
  };
  return { world, breaker, fail };
}

test("B-10 only failures in a row open it, which is told once; an answer closes it, which is told once", () => {
  const { world, breaker, fail } = open();
  fail(2);
  breaker.succeeded();
  fail(2);
  expect([breaker.open, breaker.admit(), world.told]).toEqual([false, 0, []]);
  fail(3);
  expect([breaker.open, breaker.admit(), breaker.fault?.message]).toEqual([true, 1000, "no answer"]);
  expect(breaker.state()).toEqual({ answered: 1, failed: 7, refused: 1, down: true });
  // One that was let through before is answered after all.
  breaker.succeeded();
  breaker.succeeded();
  expect([breaker.open, breaker.admit(), breaker.fault]).toEqual([false, 0, undefined]);
  expect(world.told).toEqual(["no answer", undefined]);
});

test("B-10 after a pause one call is let through; each that fails doubles the pause, up to the longest", () => {
  const { world, breaker, fail } = open();
  fail(3);
  const pauses = [1000, 2000, 4000, 4000].map((pause) => {
    const waitMs = breaker.admit();
    world.now += waitMs;
    expect([breaker.admit(), breaker.admit()]).toEqual([0, 10_000]);
    fail();
    return [pause, waitMs];
  });
  for (const [pause, waited] of pauses) expect(waited).toBe(pause);
  breaker.succeeded();
  fail(3);
  expect(breaker.admit()).toBe(1000);
});

test("a call that was broken off says nothing, and the next one may try; a final failure opens it at once", () => {
  const { world, breaker } = open();
  breaker.brokenOff();
  expect(breaker.open).toBe(false);
  breaker.failed(new Error("silence"), true);
  world.now += 1000;
  expect([breaker.admit(), breaker.admit()]).toEqual([0, 10_000]);
  breaker.brokenOff();
  expect([breaker.open, breaker.admit(), breaker.admit()]).toEqual([true, 0, 10_000]);
});

test("what is broken off makes no pause longer, nor shorter when it began before", () => {
  const { world, breaker, fail } = open();
  fail(3);
  breaker.brokenOff();
  expect(breaker.admit()).toBe(1000);
  world.now += 1000;
  for (let i = 0; i < 3; i++) {
    expect(breaker.admit()).toBe(0);
    breaker.brokenOff();
  }
  expect(breaker.admit()).toBe(0);
  fail();
  expect(breaker.admit()).toBe(2000);
});

test("who never ends the call that was let through keeps the others for a while, not for ever", () => {
  const { world, breaker, fail } = open();
  fail(3);
  world.now += 1000;
  expect(breaker.admit()).toBe(0);
  world.now += 10_000;
  expect([breaker.admit(), breaker.admit()]).toEqual([0, 10_000]);
});
