import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readPlace } from "../../src/cli/ssh/places.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World } from "./helpers/world.ts";

const other = reservation({
  id: "zbcdefghijklmnopqrst",
  name: "train",
  ssh_host: "zbcdefghijklmnopqrst.gpu-dev.internal",
});

function worldWith(code = 0, after = reservation()): World {
  return createWorld({
    handlers: {
      listReservations: ({ query: { name } }) =>
        page(...[reservation(), other].filter((r) => name === undefined || name === r.name)),
      getReservation: () => after,
    },
    runProgram: async () => ({ code, stdout: "", stderr: "scp: no such file" }),
  });
}

test.each([
  ["cp a.py b.py hello:", ["--", "a.py", "b.py", "gpu-dev-abcdefgh:"]],
  ["cp -r hello:results out", ["-r", "--", "gpu-dev-abcdefgh:results", "out"]],
  ["cp hello:/data/x train:", ["-3", "--", "gpu-dev-abcdefgh:/data/x", "gpu-dev-zbcdefgh:"]],
  ["cp hello:a ./b:c", ["--", "gpu-dev-abcdefgh:a", "./b:c"]],
  ["cp hello:a -- -b", ["--", "gpu-dev-abcdefgh:a", "./-b"]],
])("%s is the real scp with our configuration", async (line, args) => {
  const world = worldWith();
  expect(await world.gpuDev(line)).toMatchObject({ code: 0, stderr: "" });
  expect(world.programs).toEqual([["scp", "-F", join(world.home, "gd", "ssh_config"), ...args]]);
});

test.each([
  ["cp a b", "Neither is in a reservation"],
  ["cp hello:a", "Where to is missing"],
])("%s is a usage error", async (line, words) => {
  const world = worldWith();
  expect(await world.gpuDev(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(words) });
  expect(world.programs).toEqual([]);
});

test("a name that no reservation has is not found, exit 5, and scp is not run", async () => {
  const world = worldWith();
  expect((await world.gpuDev("cp no-such:a b")).code).toBe(5);
  expect(world.programs).toEqual([]);
});

test("scp's exit code is passed on; of a reservation that ended it is said", async () => {
  expect(await worldWith(1).gpuDev("cp hello:a b")).toMatchObject({ code: 1, stderr: "" });
  const ended = reservation({ state: "expired", reason: "time is up", ended_at: "2026-01-01T12:00:00.000Z" });
  expect(await worldWith(255, ended).gpuDev("cp hello:a b")).toMatchObject({
    code: 255,
    stderr: expect.stringContaining("hello is expired"),
  });
});

test("C-01 cp --json is one document", async () => {
  const done = await worldWith(1).gpuDev("cp hello:a b --json");
  expect(JSON.parse(done.stdout)).toEqual({ exit_code: 1, stderr: "scp: no such file" });
});

describe("what a word means", () => {
  test.each([
    ["hello:a/b", "linux", "hello", "a/b"],
    ["hello:", "linux", "hello", ""],
    ["./hello:a", "linux", undefined, "./hello:a"],
    ["C:\\data", "win32", undefined, "C:\\data"],
    ["c:data", "win32", undefined, "c:data"],
    ["c:data", "linux", "c", "data"],
    ["hello:C:\\x", "win32", "hello", "C:\\x"],
  ] as const)("%s on %s", (word, platform, host, path) => {
    expect(readPlace(word, platform)).toEqual({ host, path });
  });
});
