import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Quota, Team } from "../../src/api/quotas.ts";
import { page } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const team: Team = { id: "t", name: "vision", members: ["bob"], created_at: "2026-01-01T11:00:00.000Z" };
const none = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };
const quota: Quota = { ...none, kind: "default", name: null, gpus: 8 };

test("admin quotas sets what is given, exactly, for whom it is given", async () => {
  const world = createWorld({ handlers: { setQuota: () => quota } });
  for (const line of [
    "set --default --gpus 8 --gpu-hours 200",
    "set --user ann --gpu-hours 0.25 --time 1h30m",
    "set --team vision --gpu-types h100,a100 --gpus none",
    "unset --user ann",
  ])
    expect(await world.gpuDev(`admin quotas ${line}`)).toMatchObject({ code: 0, stderr: "" });
  expect(world.server.requests.map(({ body }) => body)).toEqual([
    { default: true, gpus: 8, gpu_seconds: 720_000 },
    { user: "ann", gpu_seconds: 900, max_duration_s: 5400 },
    { team: "vision", gpu_types: ["h100", "a100"], gpus: null },
    { user: "ann", ...none },
  ]);
});

test.each([
  ["admin quotas set --gpus 8", "--user, --team or --default, one of them"],
  ["admin quotas set --user ann --default --gpus 8", "--user, --team or --default, one of them"],
  ["admin quotas set --user ann", "Give at least one limit"],
  ["admin quotas --user ann --gpus 8", "An action is missing: set or unset"],
  ["admin quotas unset --user ann --gpus 8", "unset takes all limits away"],
  ["admin quotas drop --user ann", "is none of list, set, unset"],
  ["admin quotas set --user ann --gpu-hours 0.001", "is not a number of GPU hours"],
  ["admin quotas set --user ann --gpu-hours many", "is not a number of GPU hours"],
  ["admin quotas set --user ann --time 90", "has no unit"],
  ["admin teams rename vision", "is none of list, create, delete, add, remove"],
  ["admin teams create", "missing required argument 'team'"],
  ["admin teams create Vision", "cannot be a name"],
  ["admin teams add vision", "missing required argument 'user'"],
])("%s is refused before anything is asked", async (line, why) => {
  const world = createWorld();
  expect(await world.gpuDev(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(why) });
  expect(world.server.requests).toEqual([]);
});

test("admin teams makes, fills, empties and dissolves a team", async () => {
  const answer = () => team;
  const world = createWorld({
    handlers: {
      listTeams: () => page(team),
      createTeam: answer,
      addMember: answer,
      removeMember: answer,
      deleteTeam: answer,
    },
  });
  for (const words of ["", "list", "create vision", "add vision bob", "remove vision bob", "delete vision"])
    expect(await world.gpuDev(`admin teams ${words}`.trim())).toMatchObject({
      code: 0,
      stdout: "vision\tbob\t2026-01-01T11:00:00.000Z\n",
    });
  expect(world.server.requests.map(({ route, params, body }) => [route, params, body])).toEqual([
    ["listTeams", {}, undefined],
    ["listTeams", {}, undefined],
    ["createTeam", {}, { name: "vision" }],
    ["addMember", { team: "vision" }, { user: "bob" }],
    ["removeMember", { team: "vision", user: "bob" }, undefined],
    ["deleteTeam", { team: "vision" }, undefined],
  ]);
});

test("C-02 what hits a quota exits with 7 and says whose it is, how much is used and until when", async () => {
  const words =
    "the quota of user ada: 8 of 10 GPU hours within 7 days are used or planned, this asks for 3; there is room at 2026-01-08T12:15:00.000Z";
  const world = createWorld({
    handlers: { createReservation: () => new Problem("over_quota", words) },
  });
  expect(await world.gpuDev("reserve --gpu-type h100 --time 3h --no-wait")).toMatchObject({
    code: 7,
    stderr: expect.stringContaining(words),
  });
});

test("whoami --quota says that there is no limit where there is none", async () => {
  const world = createWorld({
    handlers: { getMe: () => ({ id: "u", name: "ada", role: "user" as const }), listOwnQuotas: () => page() },
  });
  expect(await world.gpuDev("whoami --quota")).toEqual({
    code: 0,
    stdout: "",
    stderr: "No quota limits you.\n",
  });
  expect(JSON.parse((await world.gpuDev("whoami --quota --json")).stdout)).toMatchObject({ quotas: [] });
  expect(JSON.parse((await world.gpuDev("whoami --json")).stdout)).not.toHaveProperty("quotas");
});
