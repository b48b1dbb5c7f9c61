/** An owner of work on disks that can renew its lease no longer. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createConditions } from "../../src/core/conditions.ts";
import type { Core } from "../../src/core/core.ts";
import { keepLease } from "../../src/core/disks/progress.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const LEASE = { owner: "me", ms: 15_000 };

const keep = (write: () => Promise<unknown>) =>
  keepLease(
    { store: { write } } as unknown as Core,
    LEASE,
    { id: "operation", snapshot_id: null },
    new AbortController().signal,
    createConditions(() => undefined),
  ).progress.signal;

test.each([
  ["is refused", () => Promise.reject(new Error("the database is away"))],
  ["never ends", () => new Promise<never>(() => undefined)],
])("L-16 the work stops before the lease has run out when its renewal %s", async (_, write) => {
  const signal = keep(write);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1000);
  expect(signal.aborted).toBe(true);
});

test("L-16 the work goes on for as long as the lease is renewed", async () => {
  const signal = keep(() => Promise.resolve({}));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(signal.aborted).toBe(false);
});
