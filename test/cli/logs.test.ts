/** `gpu-dev logs`: its forms, and following. */
import { expect, test } from "vitest";
import type { LogLine, LogPage } from "../../src/api/logs.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { event, type Script, scripted } from "./helpers/fake-stream.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const line = (text: string, source: LogLine["source"] = "pod"): LogLine => ({
  at: "2026-01-01T11:30:05.000Z",
  source,
  text,
});
const logs = (position: string, ...items: LogLine[]): LogPage => ({
  items,
  position,
  ended: false,
  missing: null,
});
const over: LogPage = { items: [], position: "9.1.9", ended: true, missing: null };

function worldWith(answer: () => LogPage, options: WorldOptions = {}, ...scripts: Script[]) {
  const world = createWorld({
    ...options,
    handlers: {
      listReservations: () => page(reservation()),
      getReservation: () => reservation(),
      listLogs: answer,
    },
  });
  const streams = scripted(...scripts);
  if (scripts.length > 0) world.openStream = streams.open;
  const queries = () =>
    world.server.requests.filter(({ route }) => route === "listLogs").map(({ query }) => query);
  return Object.assign(world, { queries, dialled: streams.dialled });
}

const two = () => logs("3.1.1", line("active: ssh works", "life"), line("Server\tlistening\u001b[2J"));

test("C-13 a pipe gets tab-separated lines with ISO times, a terminal the user's clock", async () => {
  const piped = await worldWith(two).gpuDev("logs hello");
  expect(piped).toEqual({
    code: 0,
    stderr: "",
    stdout:
      "2026-01-01T11:30:05.000Z\tlife\tactive: ssh works\n2026-01-01T11:30:05.000Z\tpod\tServer listening [2J\n",
  });
  const shown = await worldWith(two, { terminal: true, env: { NO_COLOR: "1" } }).gpuDev("logs");
  expect(shown.stdout).toBe(
    "2026-01-01 12:30:05  life  active: ssh works\n2026-01-01 12:30:05  pod   Server listening [2J\n",
  );
  expect(shown.stderr).toContain("is the only one");
});

test("C-04 what its pod said and cannot be read now is said beside the rest", async () => {
  const missing = "what the pod said cannot be read now: box-2: no answer in time";
  const partly = await worldWith(() => ({ ...two(), missing })).gpuDev("logs hello");
  expect(partly.code).toBe(0);
  expect(partly.stdout).toContain("active: ssh works");
  expect(partly.stderr).toContain(`Not all of it is here: ${missing}`);
  const nothing = await worldWith(() => ({ ...logs("3.1.1"), missing })).gpuDev("logs hello");
  expect(nothing.stderr).not.toContain("Nothing was said");
});

test("C-01 with --json each line is one document, of the fields that are asked for", async () => {
  const { stdout } = await worldWith(two).gpuDev("logs hello --json");
  expect(
    stdout
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text)),
  ).toEqual(two().items);
  const picked = await worldWith(two).gpuDev("logs hello --fields source,text");
  expect(JSON.parse(picked.stdout.split("\n")[0] ?? "")).toEqual({
    source: "life",
    text: "active: ssh works",
  });
});

test("C-14 what is asked for is asked of the server", async () => {
  const world = worldWith(two);
  await world.gpuDev("logs hello");
  await world.gpuDev("logs hello --tail 5 --since 10m --pod");
  await world.gpuDev("logs hello --life --node 0");
  await world.gpuDev("logs hello --life --pod");
  expect(world.queries()).toEqual([
    {},
    { tail: "5", since: "2026-01-01T11:50:00.000Z", source: "pod" },
    { source: "life", node: "0" },
    {},
  ]);
});

test("C-04 nothing to show is said on stderr, with exit 0", async () => {
  const done = await worldWith(() => logs("0.0.0")).gpuDev("logs hello --since 1m");
  expect(done).toMatchObject({ code: 0, stdout: "" });
  expect(done.stderr).toMatch(/^Nothing was said/);
});

test.each([
  ["logs hello --tail 1001", "1001 is more than 1000"],
  ["logs hello --tail -1", "not a whole number"],
  ["logs hello --since 10", "has no unit"],
  ["logs hello --node 1", "has no node 1"],
  ["logs hello --timeout 1m", "--timeout needs --follow"],
  ["logs", "missing required argument 'reservation'"],
])("C-02 %s is a usage error", async (typed, words) => {
  const done = await worldWith(two).gpuDev(typed);
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain(words);
});

test("-f follows the events to the end, over a stream that breaks, each line once", async () => {
  const lines = (id: string, ...texts: string[]) =>
    `id: ${id}\n${event("lines", logs(id, ...texts.map((text) => line(text))))}`;
  const world = worldWith(
    two,
    {},
    [lines("1.1.1", "one"), "cut"],
    [lines("1.1.2", "two"), event("end", { state: "expired" })],
  );
  const done = await world.gpuDev("logs hello -f --tail 1 --json");
  expect(done.code).toBe(0);
  expect(
    done.stdout
      .trimEnd()
      .split("\n")
      .map((text) => JSON.parse(text).text),
  ).toEqual(["one", "two"]);
  expect(world.dialled).toEqual([
    { path: "/v1/reservations/abcdefghijklmnopqrst/logs?tail=1", lastEventId: undefined },
    { path: "/v1/reservations/abcdefghijklmnopqrst/logs?tail=1", lastEventId: "1.1.1" },
  ]);
});

test("C-16 where no events arrive it asks for what is new, and ends with the reservation or the bound", async () => {
  const answers = [logs("1.1.1", line("one")), logs("1.1.2", line("two")), over];
  const world = worldWith(() => answers.shift() ?? over);
  const done = await world.gpuDev("logs hello --follow --tail 7 --life");
  expect(done.code).toBe(0);
  expect(done.stdout.split("\n").map((row) => row.split("\t")[2])).toEqual(["one", "two", undefined]);
  expect(world.queries()).toEqual([
    { tail: "7", source: "life" },
    { source: "life", after: "1.1.1" },
    { source: "life", after: "1.1.2" },
  ]);
  const silent = worldWith(() => logs("1.1.1"));
  expect(await silent.gpuDev("logs hello -f --timeout 1m")).toMatchObject({ code: 8, stdout: "" });
});
