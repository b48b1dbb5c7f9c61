import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { VERSION } from "../../src/api/version.ts";
import { compareVersions } from "../../src/api/versions.ts";
import { createWorld, type World } from "./helpers/world.ts";

const DAY_MS = 24 * 3600 * 1000;

function worldWith(version: string | null, env: Record<string, string> = {}): World {
  const me = { id: "u", name: "ada", role: "user" as const };
  const world = createWorld({ handlers: { getMe: () => me }, env });
  world.server.version = version;
  return world;
}

const said = async (world: World): Promise<string> => (await world.gpuDev("whoami --json")).stderr;

test.each([
  ["999.0.0", "upgrade gpu-dev here"],
  ["0.0.1", "ask its administrator to upgrade it"],
])("A-19 of a server of version %s it is told which to upgrade, once a day", async (version, words) => {
  const world = worldWith(version);
  const line = `http://gpu.test runs gpu-dev ${version}, and this is ${VERSION}: ${words}.\n`;
  expect(await world.gpuDev("whoami --json")).toMatchObject({ code: 0, stderr: line });
  expect(await said(world)).toBe("");
  world.now = new Date(world.now.getTime() + DAY_MS - 1);
  expect(await said(world)).toBe("");
  world.now = new Date(world.now.getTime() + 1);
  expect(await said(world)).toBe(line);
});

test("A-19 another version is told at once", async () => {
  const world = worldWith("998.0.0");
  await said(world);
  world.server.version = "999.0.0";
  expect(await said(world)).toContain("999.0.0");
});

test.each([
  ["the same release", `${VERSION.split(".").slice(0, 2).join(".")}.99`, {}],
  ["CI", "999.0.0", { CI: "1" }],
  ["a server that does not say it", null, {}],
  ["what is no version", "9.0.0\u001b[2J", {}],
] as const)("A-19 nothing is said with %s", async (_why, version, env) => {
  expect(await said(worldWith(version, env))).toBe("");
});

test("A-19 a note that cannot be kept, or is damaged, fails no command: it is told again", async () => {
  const world = worldWith("999.0.0");
  const file = join(world.home, "gd", "version_told.json");
  mkdirSync(file, { recursive: true });
  expect(await said(world)).toContain("999.0.0");
  expect(await said(world)).toContain("999.0.0");
  const other = worldWith("999.0.0");
  mkdirSync(join(other.home, "gd"));
  const damaged = join(other.home, "gd", "version_told.json");
  writeFileSync(damaged, "{");
  expect(await said(other)).toContain("999.0.0");
  expect(JSON.parse(readFileSync(damaged, "utf8"))).toMatchObject({ server: "999.0.0" });
});

test.each([
  ["1.0.0", "1.0.0", 0],
  ["1.2.0", "1.10.0", -1],
  ["2.0.0", "1.9.9", 1],
])("%s beside %s", (one, other, sign) => {
  expect(Math.sign(compareVersions(one, other))).toBe(sign);
});

test("A-19 a server that wants a newer command line says so, with exit 1 and nothing done", async () => {
  const world = worldWith(null);
  const refusal = new Problem("cli_too_old", "this server needs gpu-dev 9.0.0 or newer, and yours is 0.1.0", {
    hint: "upgrade gpu-dev here; nothing was done",
  });
  world.server.handlers.getMe = () => refusal;
  const done = await world.gpuDev("whoami");
  expect(done).toMatchObject({ code: 1, stdout: "" });
  expect(done.stderr).toBe(`error: ${refusal.message}\nUpgrade gpu-dev here; nothing was done\n`);
  expect(world.server.requests[0]?.headers["gpu-dev-cli"]).toBe(VERSION);
});

test("A-19 a server that does not know what is asked of it may be older: it is said how to find out", async () => {
  const world = worldWith(null);
  world.server.handlers.getMe = () => new Problem("unknown_route", "there is no /v1/me");
  const done = await world.gpuDev("whoami");
  expect(done.code).toBe(1);
  expect(done.stderr).toContain("The server may be older than this gpu-dev");
});

test.each([
  ["999.0.0", "Upgrade gpu-dev here"],
  ["0.0.1", "Ask its administrator to upgrade it"],
])("A-19 an answer of version %s that is not understood is told as such", async (version, words) => {
  const world = worldWith(version, { CI: "1" });
  world.server.handlers.getMe = () => ({ raw: "null", status: 200, type: "application/json" });
  const what = `This gpu-dev, ${VERSION}, cannot read an answer of http://gpu.test, which runs gpu-dev ${version}`;
  const done = await world.gpuDev("whoami");
  expect(done).toEqual({ code: 1, stdout: "", stderr: `error: ${what}\n${words}\n` });
  const json = JSON.parse((await world.gpuDev("whoami --json")).stdout);
  expect(json).toMatchObject({ code: "version_mismatch", detail: what, retryable: false });
});

test.each([VERSION, null])("A-19 no version is blamed where none differs (%s)", async (version) => {
  const world = worldWith(version);
  world.server.handlers.getMe = () => ({ raw: "null", status: 200, type: "application/json" });
  expect((await world.gpuDev("whoami")).stderr).toContain("error: Unexpected: ");
});
