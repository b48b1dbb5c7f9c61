import { describe, expect, test } from "vitest";
import { catalogue } from "../../src/cli/catalogue.ts";
import { page, queued, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const deployment = { id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" };
const handlers = {
  listReservations: () => page(reservation(), queued({ id: "zbcdefghijklmnopqrst", name: "other" })),
  getDeployment: () => deployment,
  listEvents: () => page(),
  listAdvice: () => page(),
};
const one = { ...handlers, listReservations: () => page(reservation()) };

test.each(["list --fields state,id", "--fields state,id list", "list --fields=state,id --json"])(
  "`gpu-dev %s` prints these fields of each item, in this order",
  async (line) => {
    const done = await createWorld({ handlers, terminal: true }).gpuDev(line);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout.replaceAll(/\s/g, "")).toBe(
      '{"items":[{"state":"active","id":"abcdefghijklmnopqrst"},{"state":"queued","id":"zbcdefghijklmnopqrst"}]}',
    );
  },
);

test("of one object its own fields are picked", async () => {
  const done = await createWorld({ handlers: one }).gpuDev("show hello --fields name,phases");
  expect(Object.keys(JSON.parse(done.stdout))).toEqual(["name", "phases"]);
});

test("a change of other fields is no change to who watches these", async () => {
  const world = createWorld();
  const states = [
    queued({ queue_position: 3 }),
    queued({ queue_position: 2 }),
    reservation({ state: "expired" }),
  ];
  world.server.handlers = {
    ...one,
    getReservation: () => states.shift() ?? reservation({ state: "expired" }),
  };
  const done = await world.gpuDev("show hello --watch --fields id,state");
  const line = (state: string): string => `{"id":"abcdefghijklmnopqrst","state":"${state}"}\n`;
  expect(done).toMatchObject({ code: 0, stdout: line("queued") + line("expired") });
});

test.each([
  ["list --fields id,stat", 'has no field "stat"', "Did you mean state?"],
  ["cancel hello --fields nothing", 'has no field "nothing"', "--fields help"],
  ["list --fields id,,state", "is no list of fields", "--fields help"],
])("C-19 `gpu-dev %s` is refused before anything is done", async (line, words, hint) => {
  const world = createWorld({ handlers });
  const done = await world.gpuDev(line);
  expect(done).toMatchObject({ code: 2, stderr: "" });
  expect(JSON.parse(done.stdout)).toMatchObject({
    code: "usage",
    detail: expect.stringContaining(words),
    hint: expect.stringContaining(hint),
  });
  expect(world.server.requests).toEqual([]);
});

describe("--fields help lists the fields of every command, without a server or arguments", () => {
  test.each(catalogue.map(({ path }) => path))("%s", async (path) => {
    const world = createWorld({ env: { GPU_DEV_URL: "" } });
    const done = await world.gpuDev(`${path} --fields help`);
    expect(done).toMatchObject({ code: 0, stderr: "" });
    expect(done.stdout).toMatch(/^[a-z_]+\t[a-z]/);
    const json = JSON.parse((await world.gpuDev(`${path} --fields=help --json`)).stdout);
    expect(json.items[0]).toEqual({
      field: expect.any(String),
      type: expect.any(String),
      meaning: expect.any(String),
    });
  });
});

test("--fields behind -- belongs to the command that runs in the pod", async () => {
  const done = await createWorld({ handlers }).gpuDev("nope -- --fields help");
  expect(done).toMatchObject({ code: 2, stdout: "" });
});
