import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Reservation } from "../../src/api/reservations.ts";
import { type Handlers, page, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const one = reservation({ id: "aaaabbbbccccddddeeee", name: "hello" });
const two = reservation({ id: "aaaacccccccccccccccc", name: "aaaab" });
const ended = reservation({
  id: "zzzzbbbbccccddddeeee",
  name: "old",
  state: "expired",
  ended_at: "2026-01-01T11:50:00.000Z",
});

/** A server with these reservations that filters as the contract says. */
function having(...all: Reservation[]): Handlers {
  return {
    getReservation: ({ params }) =>
      all.find((r) => r.id === params.id) ?? new Problem("not_found", "no such reservation"),
    listReservations: ({ query }) => {
      const { state = "live", name, id_prefix } = query;
      return page(
        ...all
          .filter((r) => state === "all" || r.ended_at === null)
          .filter((r) => name === undefined || r.name === name)
          .filter((r) => id_prefix === undefined || r.id.startsWith(id_prefix)),
      );
    },
    listEvents: () =>
      page({
        version: 1,
        at: "2026-01-01T11:00:00.000Z",
        type: "created",
        state: "queued" as const,
        detail: null,
      }),
    cancelReservation: ({ params }) => reservation({ id: params.id ?? "", state: "cancelled" }),
    getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
  };
}

const shownId = (stdout: string): unknown => JSON.parse(stdout).id;

describe("C-12 a reservation is named by", () => {
  test.each([
    ["its full id", one.id, one.id],
    ["its exact name", "hello", one.id],
    ["its name, though it is a beginning of another id", "aaaab", two.id],
    ["an unambiguous beginning of its id", "aaaabb", one.id],
    ["the name of an ended one", "old", ended.id],
    ["the beginning of an ended one's id", "zzzz", ended.id],
  ])("C-12 %s", async (_, word, id) => {
    const world = createWorld({ handlers: having(one, two, ended) });
    const done = await world.gpuDev(["show", word, "--json"]);
    expect(done.code).toBe(0);
    expect(shownId(done.stdout)).toBe(id);
  });

  test("C-19 a name that is nowhere is answered with the one that was meant", async () => {
    const world = createWorld({ handlers: having(one, two, ended) });
    const done = await world.gpuDev("show helo");
    expect(done).toMatchObject({ code: 5, stdout: "" });
    expect(done.stderr).toContain('You have no reservation "helo"');
    expect(done.stderr).toContain("Did you mean hello?");
    expect((await world.gpuDev("show whatever")).stderr).not.toContain("Did you mean");
  });

  test("C-12 an ambiguous beginning is exit 2 and lists the candidates", async () => {
    const world = createWorld({ handlers: having(one, two) });
    for (const verb of ["show", "cancel", "connect", "edit --name x"]) {
      const done = await world.gpuDev(`${verb} aaaa`);
      expect(done.code).toBe(2);
      expect(done.stderr).toContain(one.id);
      expect(done.stderr).toContain(two.id);
    }
    expect(world.server.requests.map((r) => r.route)).not.toContain("cancelReservation");
  });

  test("C-12 fewer than 4 characters are a name or nothing", async () => {
    const done = await createWorld({ handlers: having(one) }).gpuDev("show aaa");
    expect(done.code).toBe(5);
    expect(done.stderr).toContain('You have no reservation "aaa"');
  });

  test("C-12 the full id is what is sent", async () => {
    const world = createWorld({ handlers: having(one) });
    await world.gpuDev("cancel hello");
    const sent = world.server.requests.find((r) => r.route === "cancelReservation");
    expect(sent?.params).toEqual({ id: one.id });
  });
});

test("C-04 an error while looking is never not-found", async () => {
  const world = createWorld({ handlers: { getReservation: () => new Problem("internal", "it broke") } });
  expect(await world.gpuDev(`show ${one.id}`)).toMatchObject({
    code: 1,
    stderr: expect.stringContaining("it broke"),
  });
});

test("cancel takes several, tries each, and exits as the first failure", async () => {
  const world = createWorld({ handlers: having(one, two) });
  const done = await world.gpuDev("cancel hello nope aaaab --json");
  expect(done.code).toBe(5);
  const { items } = JSON.parse(done.stdout);
  expect(items.map((item: { id?: string; error?: { code: string } }) => item.id ?? item.error?.code)).toEqual(
    [one.id, "not_found", two.id],
  );
  expect(done.stderr).toBe("");
  expect((await world.gpuDev("cancel hello helo")).stderr).toBe(
    'error: helo: You have no reservation "helo"\nDid you mean hello? `gpu-dev list --all` shows all of yours.\n',
  );
});

describe("cancel", () => {
  const ending = reservation({ ...one, state: "ending", reason: "cancelled by its owner" });
  const going = (...then: Reservation[]): Handlers => ({
    ...having(one),
    cancelReservation: () => ending,
    getReservation: () => then.shift() ?? ending,
  });

  test("waits until the GPUs are free again", async () => {
    const world = createWorld({ handlers: going(ending, ending, { ...ending, state: "cancelled" }) });
    expect(await world.gpuDev("cancel hello")).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("\tcancelled\t"),
      stderr: "hello is ending: cancelled by its owner\n",
    });
  });

  test("C-16 gives up waiting after a minute with exit 8 and the last error", async () => {
    const stuck = { ...ending, last_error: "the driver could not be asked" };
    const world = createWorld({
      handlers: { ...going(), cancelReservation: () => stuck, getReservation: () => stuck },
    });
    const done = await world.gpuDev("cancel hello");
    expect(done.code).toBe(8);
    expect(done.stderr).toContain("hello is still ending after 1m; last try: the driver could not be asked");
  });

  test("--no-wait returns as soon as it is asked for", async () => {
    const world = createWorld({ handlers: going() });
    expect((await world.gpuDev("cancel hello --no-wait")).stdout).toContain("\tending\t");
  });
});

test("show prints the history", async () => {
  const done = await createWorld({ handlers: having(one) }).gpuDev("show hello");
  expect(done.stdout).toContain("event 1\t2026-01-01T11:00:00.000Z created\n");
  expect(done.stdout).toContain("end\t2026-01-01T12:30:00.000Z\n");
});

test("edit sends only what is to change, in exact seconds", async () => {
  const world = createWorld({ handlers: { ...having(one), patchReservation: () => one } });
  await world.gpuDev("edit hello --extend 0.5h");
  await world.gpuDev("edit hello --name eval");
  const bodies = world.server.requests.filter((r) => r.route === "patchReservation").map((r) => r.body);
  expect(bodies).toEqual([{ extend_s: 1800 }, { name: "eval" }]);
});
