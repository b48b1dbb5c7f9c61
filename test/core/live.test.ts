import { EventEmitter } from "node:events";
import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import type { Core } from "../../src/core/core.ts";
import { patchReservation } from "../../src/core/edit.ts";
import { createLive, type Live, type Message, type Watch } from "../../src/core/live.ts";
import { watchReservation } from "../../src/core/watches.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

/** A client in memory that can stop reading. */
function createOutlet() {
  const sent: Message[] = [];
  const outlet = {
    taking: true,
    ended: false,
    sent,
    ready: () => outlet.taking,
    send: (message: Message) => void sent.push(message),
    end(message: Message) {
      sent.push(message);
      outlet.ended = true;
    },
    entries: () => sent.filter((message) => message.event === "entry").map((message) => message.id),
    latest: () => {
      const last = sent.filter((message) => message.event === "reservation").at(-1);
      return last && (JSON.parse(last.data) as Reservation);
    },
  };
  return outlet;
}

describe.each(engines)("what is watched on $engine", ({ create }) => {
  let world: World;
  let live: Live;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    world = await makeWorld(database);
    live = createLive(world.core);
  });

  const soon = { timeout: 20_000, interval: 5 };
  const watch = async (id: string) => {
    const outlet = createOutlet();
    const made = watchReservation(world.core, { caller: async () => world.ann }, { id, after: 0 }, outlet);
    await live.add(made);
    return { outlet, made };
  };
  const rename = (id: string, name: string) => patchReservation(world.core, world.ann, id, { name });

  test("a client that takes nothing is sent nothing, holds up nobody, and later gets all entries and what is true then", async () => {
    const id = await world.reserve();
    const [slow, quick] = [await watch(id), await watch(id)];
    const before = slow.outlet.sent.length;
    slow.outlet.taking = false;
    for (const name of ["a", "b", "c"]) {
      await rename(id, name);
      await vi.waitFor(() => expect(quick.outlet.latest()?.name).toBe(name), soon);
    }
    expect(slow.outlet.sent).toHaveLength(before);
    slow.outlet.taking = true;
    await vi.waitFor(() => expect(slow.outlet.latest()?.name).toBe("c"), soon);
    expect(slow.outlet.entries()).toEqual(quick.outlet.entries());
    expect(slow.outlet.sent.length).toBeLessThan(quick.outlet.sent.length);
    for (const { made } of [slow, quick]) live.remove(made);
  });

  test("a client that takes nothing for a minute is ended, so that it holds no place", async () => {
    const id = await world.reserve();
    const { outlet, made } = await watch(id);
    const real = performance.now.bind(performance);
    outlet.taking = false;
    await vi.waitFor(() => expect(world.core.signals.listenerCount("changed")).toBeGreaterThan(0), soon);
    await rename(id, "a");
    let ahead = 0;
    const clock = vi.spyOn(performance, "now").mockImplementation(() => real() + ahead);
    // First it has to be seen as stuck, then a minute has to pass.
    await vi.waitFor(async () => {
      ahead += 61_000;
      world.core.signals.emit("changed", [id], false);
      expect(outlet.ended).toBe(true);
    }, soon);
    clock.mockRestore();
    expect(JSON.parse(outlet.sent.at(-1)?.data ?? "")).toMatchObject({
      code: "unavailable",
      retryable: true,
    });
    live.remove(made);
    expect(world.core.signals.listenerCount("changed")).toBe(0);
  });

  test("a row that cannot be read ends who watches it, and nobody else", async () => {
    const [bad, fine] = [await world.reserve(), await world.reserve()];
    const [unlucky, other] = [await watch(bad), await watch(fine)];
    const setCreated = (created_at: string) =>
      world.core.store.write(({ db }) =>
        db.updateTable("reservations").set({ created_at }).where("id", "=", bad).execute(),
      );
    await setCreated("yesterday");
    await vi.waitFor(() => expect(unlucky.outlet.ended).toBe(true), soon);
    expect(JSON.parse(unlucky.outlet.sent.at(-1)?.data ?? "")).toMatchObject({ code: "internal" });
    await rename(fine, "fine");
    await vi.waitFor(() => expect(other.outlet.latest()?.name).toBe("fine"), soon);
    expect(other.outlet.ended).toBe(false);
    live.close();
    await setCreated(world.clock.now().toISOString());
  });

  test("a database that is away is told once, and what changed is sent when it is back", async () => {
    const id = await world.reserve();
    const { outlet } = await watch(id);
    const away = vi.spyOn(world.core.store, "read").mockRejectedValue(new Error("away"));
    await vi.waitFor(() => expect(away.mock.calls.length).toBeGreaterThan(1), soon);
    away.mockRestore();
    await rename(id, "back");
    await vi.waitFor(() => expect(outlet.latest()?.name).toBe("back"), soon);
    const told = world.logs.filter((line) => line.fields.condition === "watches").map((line) => line.level);
    expect(told).toEqual(["error", "info"]);
    live.close();
    expect(outlet.ended).toBe(true);
  });

  test("closing ends all, and what is added fails with the reason of its first look", async () => {
    const ended: Problem[] = [];
    const one: Watch = {
      ready: () => true,
      look: async () => () => undefined,
      end: (problem) => ended.push(problem),
    };
    await live.add(one);
    await expect(watch("a".repeat(20))).rejects.toMatchObject({ code: "not_found" });
    live.close();
    expect(ended.map((problem) => problem.code)).toEqual(["draining"]);
  });
});

test("a change after a quiet time is looked at in its own turn, and what follows it at once is gathered", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const signals = new EventEmitter();
  const read = (work: (db: unknown, now: Date) => unknown) => work(undefined, new Date());
  const live = createLive({ signals, store: { read }, log: () => undefined } as unknown as Core);
  const look = vi.fn(async () => () => undefined);
  await live.add({ ready: () => true, look, end: () => undefined });
  await vi.advanceTimersByTimeAsync(100);
  look.mockClear();
  signals.emit("changed");
  expect(look).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(0);
  for (let i = 0; i < 5; i++) signals.emit("changed");
  await vi.advanceTimersByTimeAsync(9);
  expect(look).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(2);
  expect(look).toHaveBeenCalledTimes(2);
  live.close();
});
