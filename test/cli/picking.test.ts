/** Commands that were typed without a reservation: the only one, the one that is picked, or an error. */
import { expect, test } from "vitest";
import { Declined } from "../../src/cli/errors.ts";
import { type Handlers, page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const ONE = reservation();
const TWO = reservation({ id: "bbcdefghijklmnopqrst", name: "train" });
const SHARED = reservation({
  id: "cbcdefghijklmnopqrst",
  name: "theirs",
  owner: "bob",
  access: "collaborator",
});
const ENDING = reservation({ id: "dbcdefghijklmnopqrst", name: "over", state: "ending" });
const LIVE = [ONE, TWO, SHARED, ENDING];

function asking(live: typeof LIVE, options: WorldOptions = {}): World {
  const byId = (id = ""): typeof ONE => LIVE.find((r) => r.id === id) ?? ONE;
  const handlers: Handlers = {
    listReservations: ({ query }) => page(...live.filter((r) => !query.name || r.name === query.name)),
    getReservation: ({ params }) => byId(params.id),
    listEvents: () => page(),
    cancelReservation: ({ params }) => ({ ...byId(params.id), state: "cancelled" as const }),
    patchReservation: ({ params }) => byId(params.id),
  };
  return createWorld({
    terminal: true,
    handlers,
    runProgram: async () => ({ code: 0, stdout: "", stderr: "" }),
    ...options,
  });
}

/** What each command does to the reservation that it finds. */
const ACTS = ["show", "connect", "edit --extend 1h", "cancel --yes --no-wait"];
const WITHOUT = [...ACTS, "forward 8888", "forward :8888 6006"];

const changes = (world: World): string[] =>
  world.server.requests.map(({ route }) => route).filter((route) => /^(cancel|patch)/.test(route));

test.each(ACTS)("`%s` takes the only reservation, and says which", async (line) => {
  const world = asking([TWO]);
  const done = await world.gpuDev(line);
  expect([done.code, world.asked]).toEqual([0, []]);
  expect(done.stderr).toContain(`train (${TWO.id}) is the only one`);
});

test.each(ACTS)("`%s` offers those that live, and takes the one that is picked", async (line) => {
  const world = asking(LIVE, { answers: [TWO.id] });
  expect((await world.gpuDev(line)).code).toBe(0);
  expect(world.asked).toEqual(["Which reservation?"]);
  const mine = /edit|cancel/.test(line);
  expect(world.offered[0]?.map(({ short }) => short)).toEqual(
    mine ? ["hello", "train"] : ["hello", "train", "theirs"],
  );
  expect(world.offered[0]?.[1]?.name).toMatch(/^train +bbcdefgh +active +2 × h100 +30m left/);
});

test.each(WITHOUT)("C-17 Ctrl-C at the question of `%s` changes nothing, exit 3", async (line) => {
  const world = asking(LIVE, { answers: [new Declined()] });
  expect(await world.gpuDev(line)).toMatchObject({ code: 3, stdout: "" });
  expect(world.asked).toEqual(["Which reservation?"]);
  expect(changes(world)).toEqual([]);
});

test.each(WITHOUT)("C-18 without a terminal `%s` names what is missing, exit 2", async (line) => {
  for (const [options, more] of [
    [{ terminal: false }, ""],
    [{}, " --no-input"],
  ] as const) {
    const world = asking(LIVE, options);
    const done = await world.gpuDev(line + more);
    expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("argument 'reservation'")]);
    expect(world.server.requests).toEqual([]);
  }
});

test.each(ACTS)("`%s` without any reservation says so, exit 5", async (line) => {
  const world = asking([ENDING]);
  expect(await world.gpuDev(line)).toMatchObject({ code: 5, stdout: "" });
  expect(world.asked).toEqual([]);
});

test("forward without a port says what is missing", async () => {
  const done = await asking([ONE]).gpuDev("forward hello");
  expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("argument 'ports'")]);
});

test.each([
  ["cancel hello --no-wait", "Cancel hello (2 × h100, active)?"],
  ["cancel hello train --no-wait", "Cancel hello, train?"],
])("`%s` asks a person, and no is no, exit 3", async (line, question) => {
  const world = asking(LIVE, { answers: [false] });
  expect(await world.gpuDev(line)).toMatchObject({ code: 3, stdout: "" });
  expect([world.asked, changes(world)]).toEqual([[question], []]);
  const agreed = asking(LIVE, { answers: [true] });
  expect((await agreed.gpuDev(line)).code).toBe(0);
  expect(changes(agreed)).toHaveLength(line.split(" ").length - 2);
});

test("C-18 without a terminal cancel does what it is told", async () => {
  const world = asking(LIVE, { terminal: false });
  expect((await world.gpuDev("cancel hello --no-wait")).code).toBe(0);
  expect(changes(world)).toEqual(["cancelReservation"]);
});

test("gpu-dev alone shows the first steps", async () => {
  const done = await asking([]).gpuDev("");
  expect(done.code).toBe(0);
  expect(done.stdout).toMatch(/First steps:\n {2}gpu-dev login/);
  expect((await asking([]).gpuDev("list --help")).stdout).not.toContain("First steps");
});
