/** Waiting by events, over streams that break, fall silent, or are no streams at all. */
import { Readable } from "node:stream";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { type Handlers, page, queued, reservation } from "./helpers/fake-server.ts";
import { event, type Script, scripted } from "./helpers/fake-stream.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const RESERVE = "reserve --gpu-type h100 --time 1h";
const preparing = (given: Partial<Reservation> = {}): Reservation =>
  reservation({ state: "preparing", started_at: null, ends_at: null, host_key: null, ...given });

const handlers: Handlers = {
  createReservation: () => queued(),
  listReservations: () => page(reservation()),
};

function worldWith(scripts: Script[], options: WorldOptions = {}) {
  const streams = scripted(...scripts);
  const world = createWorld({ ...options, handlers: { ...handlers, ...options.handlers } });
  world.openStream = streams.open;
  return Object.assign(world, { dialled: streams.dialled });
}

const asked = (world: ReturnType<typeof worldWith>, route: string): number =>
  world.server.requests.filter((request) => request.route === route).length;
const OUTAGE = "The server does not answer now; asking again\n";

test("reserve follows the events, and asks for nothing in between", async () => {
  const world = worldWith([
    [event("reservation", queued()), event("reservation", preparing()), event("reservation", reservation())],
  ]);
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(0);
  expect(done.stderr).toMatch(/^Queued as #3[^\n]*\nPreparing[^\n]*\nReady/m);
  expect(world.dialled).toEqual([
    { path: "/v1/reservations/abcdefghijklmnopqrst/events", lastEventId: undefined },
  ]);
  expect(asked(world, "getReservation")).toBe(0);
});

test("C-01 a stream that breaks goes on after its last event, with one line on stderr", async () => {
  const entry = (version: number) => event("entry", { version }, version);
  const world = worldWith([
    [entry(1), entry(2), event("reservation", preparing()), "cut"],
    ["retry: 1000\n\n", entry(3), "cut"],
    [event("reservation", reservation())],
  ]);
  const done = await world.gpuDev(`${RESERVE} --json`);
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout)).toEqual(reservation());
  expect(world.dialled.map((dial) => dial.lastEventId)).toEqual([undefined, "2", "3"]);
  expect(done.stderr.split(OUTAGE)).toHaveLength(3);
});

/** A server whose streams answer with a status of their own. */
function withoutStreams(status: number, options: WorldOptions = {}) {
  const world = worldWith([], options);
  world.openStream = async () => ({
    status,
    contentType: "application/problem+json",
    body: Readable.from([]),
  });
  return world;
}

test("C-16 show --watch that has to ask ends with the reservation, too", async () => {
  const states = [reservation(), reservation({ state: "expired", ended_at: "2026-01-01T13:00:00.000Z" })];
  const world = withoutStreams(406, {
    handlers: { getReservation: () => states.shift() ?? queued(), listEvents: () => page() },
  });
  const done = await world.gpuDev("show hello --watch --json");
  expect(done.code).toBe(0);
  expect(JSON.parse(done.stdout.trim().split("\n").at(-1) ?? "").state).toBe("expired");
  expect(states).toEqual([]);
});

test("C-04 too many streams are no outage: it asks instead", async () => {
  const world = withoutStreams(429, { handlers: { getReservation: () => reservation() } });
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(0);
  expect(done.stderr).not.toContain(OUTAGE);
  expect(asked(world, "getReservation")).toBe(1);
});

test("a server that is away for long is told once", async () => {
  const world = worldWith([[event("reservation", preparing()), "cut"]]);
  const { open } = scripted([event("reservation", reservation())]);
  const refusing = world.openStream;
  let refused = 0;
  world.openStream = (url, init) =>
    refused++ < 9 ? (refusing?.(url, init) ?? open(url, init)) : open(url, init);
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(0);
  expect(done.stderr.split(OUTAGE)).toHaveLength(2);
});

test("C-16 a server that does not come back within two minutes is an error", async () => {
  const world = worldWith([[event("reservation", preparing()), "cut"]]);
  const done = await world.gpuDev(RESERVE);
  expect(done.code).not.toBe(0);
  expect(world.now.getTime() - Date.parse("2026-01-01T12:00:00.000Z")).toBeLessThan(140_000);
});

test("what something in between keeps back from the start is asked for after 5 s", async () => {
  const world = worldWith([["hang"]], { handlers: { getReservation: () => reservation() } });
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(0);
  expect(world.dialled).toHaveLength(1);
  expect(world.now.getTime() - Date.parse("2026-01-01T12:00:00.000Z")).toBeLessThan(10_000);
  expect(done.stderr).not.toContain(OUTAGE);
});

test("a stream that falls silent for 45 s is opened once more, then it asks", async () => {
  const world = worldWith(
    [
      [event("reservation", preparing()), ": still here\n\n", "hang"],
      [event("reservation", preparing()), "hang"],
    ],
    { handlers: { getReservation: () => reservation() } },
  );
  expect((await world.gpuDev(RESERVE)).code).toBe(0);
  expect(world.dialled).toHaveLength(2);
  const waited = world.now.getTime() - Date.parse("2026-01-01T12:00:00.000Z");
  expect(waited).toBeGreaterThan(90_000);
  expect(waited).toBeLessThan(110_000);
});

test("C-16 an open stream has the same bound, exit 8", async () => {
  const world = worldWith([[event("reservation", queued()), ...Array(200).fill(": still here\n\n"), "hang"]]);
  const start = world.now.getTime();
  const done = await world.gpuDev(`${RESERVE} --timeout 20s`);
  expect(done.code).toBe(8);
  expect(done.stderr).toContain("hello is still queued after 20s; it stays reserved");
  expect(world.now.getTime() - start).toBe(20_000);
});

test("C-17 Ctrl-C while events are waited for leaves it in place, exit 130", async () => {
  const world = worldWith([[event("reservation", queued()), "hang"]]);
  world.onSleep = () => world.interrupt.abort();
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(130);
  expect(done.stderr).toContain("gpu-dev show hello");
  expect(asked(world, "cancelReservation")).toBe(0);
});

test("C-02 a stream that is ended for good is the failure that it names", async () => {
  const problem = new Problem("not_logged_in", "the token was revoked").document();
  const world = worldWith([[event("reservation", queued()), event("problem", problem)]]);
  const done = await world.gpuDev(RESERVE);
  expect(done.code).toBe(4);
  expect(done.stderr).toContain("the token was revoked");
  const draining = new Problem("draining", "the server is shutting down").document();
  const moved = worldWith([
    [event("reservation", queued()), event("problem", draining)],
    [event("reservation", reservation())],
  ]);
  expect((await moved.gpuDev(RESERVE)).code).toBe(0);
});

describe("--watch", () => {
  const lists = (...names: string[]) => event("list", page(...names.map((name) => reservation({ name }))));

  test("C-01 list --watch --json is a line of JSON for each change, until Ctrl-C", async () => {
    const world = worldWith([[lists("a"), lists("a"), lists("a", "b"), "hang"]]);
    let sleeps = 0;
    world.onSleep = () => sleeps++ > 20 && world.interrupt.abort();
    const done = await world.gpuDev("list --watch --json --all");
    expect(done.code).toBe(130);
    const lines = done.stdout.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line).items.map((r: Reservation) => r.name))).toEqual([
      ["a"],
      ["a", "b"],
    ]);
    expect(world.dialled[0]?.path).toBe("/v1/reservations?state=all&limit=500");
  });

  test("into a pipe it is a block for each change; the same list after a break is none", async () => {
    const world = worldWith([
      [lists("a"), "cut"],
      [lists("a"), lists("b"), "hang"],
    ]);
    let sleeps = 0;
    world.onSleep = () => sleeps++ > 20 && world.interrupt.abort();
    const done = await world.gpuDev("list --watch");
    expect(done.stdout.split("\n\n").map((block) => block.trim().split("\t")[0])).toEqual(["a", "b"]);
    expect(done.stderr).toBe(OUTAGE);
  });

  test("on a terminal it is drawn in place, and only anew when it looks otherwise", async () => {
    const world = worldWith([[lists("first"), lists("first"), lists("second"), "hang"]], { terminal: true });
    let sleeps = 0;
    world.onSleep = () => {
      // The clock stands, so that nothing looks otherwise by itself.
      world.now = new Date("2026-01-01T12:00:00.000Z");
      if (sleeps++ > 20) world.interrupt.abort();
    };
    const { stdout } = await world.gpuDev("list --watch --no-color");
    expect(stdout.split("\r\u001b[0J")).toHaveLength(3);
    expect(stdout).toContain("\u001b[2A\r\u001b[0JNAME");
  });

  test("show --watch ends with what it watches, exit 0, with the whole history", async () => {
    const entry = (version: number, type: string) =>
      event(
        "entry",
        { version, at: "2026-01-01T11:00:00.000Z", type, state: "queued", detail: null },
        version,
      );
    const over = reservation({ state: "cancelled", ended_at: "2026-01-01T11:50:00.000Z" });
    const world = worldWith([
      [
        entry(1, "created"),
        event("reservation", preparing()),
        entry(2, "cancelled"),
        event("reservation", over),
        event("end", { version: 2, state: "cancelled" }),
      ],
    ]);
    const done = await world.gpuDev("show hello --watch --json");
    expect(done.code).toBe(0);
    const seen = done.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(seen.map((r) => [r.state, r.events.length])).toEqual([
      ["preparing", 1],
      ["cancelled", 2],
    ]);
  });

  test("C-16 it ends at its bound, exit 8; --timeout without --watch is a usage error", async () => {
    const world = worldWith([[lists("a"), "hang"]]);
    const done = await world.gpuDev("list --watch --timeout 10s");
    expect(done.code).toBe(8);
    expect(done.stderr).toContain("Stopped watching after 10s");
    expect((await createWorld().gpuDev("list --timeout 10s")).code).toBe(2);
  });
});
