import { describe, expect, test } from "vitest";
import { type Facts, nextStep, type Surroundings } from "../../src/core/lifecycle.ts";
import type { ReservationRow } from "../../src/store/tables.ts";
import { reservationRow } from "../helpers/reservation-row.ts";

const AT = "2026-01-05T08:00:00.000Z";
const now = new Date(AT);
const later = (ms: number) => new Date(now.getTime() + ms).toISOString();

const row = (given: Partial<ReservationRow>): ReservationRow =>
  reservationRow(AT, {
    gpu_count: 2,
    places: 2,
    queue_deadline: later(3_600_000),
    preparing_deadline: later(300_000),
    ends_at: later(3_600_000),
    node: "n",
    attempt: 1,
    ...given,
  });

const fine: Surroundings = { offered: true, nodeLost: false };
const next = (given: Partial<ReservationRow>, facts: Facts = {}, around: Surroundings = fine, at = now) =>
  nextStep(row(given), facts, around, at);

describe("the next step", () => {
  test("queued: waits for the plan, until its deadline or until nothing can hold it", () => {
    expect(next({})).toMatchObject({ do: "wait", ms: 60_000 });
    expect(next({ queue_deadline: later(5) })).toMatchObject({ do: "wait", ms: 5 });
    expect(next({ queue_deadline: AT })).toMatchObject({ do: "end", as: "failed" });
    expect(next({}, {}, { offered: false, nodeLost: true })).toEqual({
      do: "end",
      as: "failed",
      reason: "nothing offers 2 h100 any more",
    });
  });

  test("preparing: launches, looks after that, launches what is absent, proves what runs", () => {
    const state = "preparing";
    expect(next({ state })).toEqual({ do: "launch" });
    expect(next({ state, launched_at: later(0) })).toEqual({ do: "inspect" });
    expect(next({ state, last_error: "busy" })).toEqual({ do: "inspect" });
    expect(next({ state }, { pod: { state: "absent" } })).toEqual({ do: "launch" });
    expect(next({ state }, { launched: true })).toEqual({ do: "inspect" });
    expect(next({ state }, { launched: true, pod: { state: "absent" } }).do).toBe("wait");
    expect(next({ state }, { pod: { state: "starting", reason: "" } })).toMatchObject({ do: "wait", ms: 25 });
    expect(next({ state }, { pod: { state: "running" } })).toEqual({ do: "prove" });
    expect(next({ state }, { pod: { state: "running" }, proved: now })).toEqual({ do: "activate" });
  });

  test("preparing: what is final ends it, what may pass is tried again until the deadline", () => {
    const state = "preparing";
    const dead = { pod: { state: "dead", reason: "killed" } } as const;
    expect(next({ state }, dead)).toMatchObject({ do: "end", as: "failed" });
    expect(next({ state }, { refused: "no sshd" })).toMatchObject({ do: "end", reason: "no sshd" });
    expect(next({ state }, { failure: "busy" })).toMatchObject({ do: "wait", lastError: "busy" });
    expect(next({ state }, {}, { offered: true, nodeLost: true }).do).toBe("requeue");
    const late = next({ state, last_error: "busy" }, { failure: "busy" }, fine, new Date(later(300_000)));
    expect(late).toEqual({ do: "end", as: "failed", reason: "not ready in time: busy" });
  });

  test("L-14 pauses grow with the time that it takes, and have a bound", () => {
    const pauses = [0, 10_000, 60_000, 3_600_000].map((ms) => {
      const step = next(
        { state: "ending", end_state: "expired" },
        { failure: "busy" },
        fine,
        new Date(later(ms)),
      );
      return step.do === "wait" ? step.ms : undefined;
    });
    expect(pauses).toEqual([500, 1667, 10_000, 60_000]);
  });

  test("active: ends on time whatever the driver says, and a pod's death ends it before", () => {
    const state = "active";
    expect(next({ state })).toEqual({ do: "inspect" });
    expect(next({ state }, { pod: { state: "running" } })).toMatchObject({ do: "wait", ms: 8000 });
    const told = { state, ends_at: later(9), warned_s: 300 } as const;
    expect(next(told, { pod: { state: "running" } })).toMatchObject({ do: "wait", ms: 9 });
    expect(next({ state, ends_at: AT }, { pod: { state: "unknown", reason: "?" } })).toMatchObject({
      do: "end",
      as: "expired",
    });
    expect(next({ state }, { pod: { state: "dead", reason: "killed" } })).toMatchObject({ as: "failed" });
  });

  test("L-10 active: a warning is given when the pod is well, and tried again soon when that fails", () => {
    const due = { state: "active", ends_at: later(600_000) } as const;
    expect(next(due)).toEqual({ do: "inspect" });
    expect(next(due, { pod: { state: "running" } })).toEqual({ do: "warn", aheadS: 900 });
    expect(next(due, { pod: { state: "unknown", reason: "?" } })).toMatchObject({ do: "wait" });
    expect(next(due, { failure: "x" })).toEqual({ do: "wait", ms: 2000, lastError: "x" });
    const soon = { ...due, ends_at: later(1_805_000) };
    expect(next(soon, { pod: { state: "running" } })).toMatchObject({ do: "wait", ms: 5000 });
  });

  test("L-11 active: unknown is never gone, and gone only after its grace", () => {
    const state = "active";
    const ghost_since = later(-9999);
    const absent = { pod: { state: "absent" } } as const;
    const unknown = { pod: { state: "unknown", reason: "?" } } as const;
    expect(next({ state }, absent)).toMatchObject({ do: "wait", ghostSince: AT });
    expect(next({ state, ghost_since }, absent)).toMatchObject({
      do: "wait",
      ms: 1,
      ghostSince: ghost_since,
    });
    const gone = next({ state, ghost_since: later(-10_000) }, absent);
    expect(gone).toEqual({ do: "end", as: "failed", reason: "the pod is gone" });
    const lost = { offered: true, nodeLost: true };
    expect(next({ state, ghost_since }, absent, lost)).toMatchObject({ do: "wait" });
    expect(next({ state, ghost_since: later(-10_000) }, absent, lost)).toMatchObject({
      as: "failed",
      reason: "node n was lost",
    });
    expect(next({ state }, { pod: { state: "running" } }, lost)).toMatchObject({ do: "wait" });
    expect(next({ state, ghost_since: later(-60_000) }, unknown)).toMatchObject({
      do: "wait",
      ghostSince: null,
    });
  });

  test("ending: takes the pod away until it is confirmed, then finishes; nothing follows an end", () => {
    const ending = { state: "ending", end_state: "cancelled" } as const;
    expect(next(ending)).toEqual({ do: "terminate" });
    expect(next(ending, { gone: true })).toEqual({ do: "finish" });
    expect(() => next({ state: "cancelled" })).toThrow("nothing follows");
  });
});
