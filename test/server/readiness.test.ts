import { expect, test } from "vitest";
import { type Checks, createReadiness } from "../../src/server/readiness.ts";

function rig(checks: Checks, timeoutMs = 1000) {
  const told: string[] = [];
  const clock = { now: 0 };
  const ready = createReadiness({
    checks,
    timeoutMs,
    maxAgeMs: 1000,
    now: () => clock.now,
    onChange: (part, error) => told.push(`${part} ${error === undefined ? "ok" : (error as Error).message}`),
  });
  return { ready, told, clock };
}

test("O-05 the failing part is named, one that does not answer included", async () => {
  const checks = {
    database: async () => undefined,
    driver: () => Promise.reject(new Error("gone")),
    slow: () => new Promise(() => undefined),
  };
  const { ready, told } = rig(checks, 20);
  expect(await ready()).toEqual({
    status: "failing",
    checks: { database: "ok", driver: "failing", slow: "failing" },
  });
  expect(told.sort()).toEqual(["driver gone", "slow no answer within 20 ms"]);
});

test("O-04 a condition that lasts is told when it starts and ends, and asking often costs nothing", async () => {
  let asked = 0;
  let works = false;
  const { ready, told, clock } = rig({
    database: async () => {
      asked += 1;
      if (!works) throw new Error("down");
    },
  });
  await Promise.all([ready(), ready(), ready()]);
  expect(asked).toBe(1);
  clock.now = 1001;
  await ready();
  expect(told).toEqual(["database down"]);
  works = true;
  clock.now = 2002;
  expect((await ready()).status).toBe("ok");
  expect(asked).toBe(3);
  expect(told).toEqual(["database down", "database ok"]);
});
