import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reserving } from "./helpers/fake-server.ts";
import { createWorld, type World } from "./helpers/world.ts";

function writeFiles(world: World, files: Record<string, unknown>): void {
  const dir = join(world.home, "gd");
  mkdirSync(dir, { recursive: true });
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(dir, name), typeof content === "string" ? content : JSON.stringify(content));
}

const settings = async (world: World, line = "config show --json"): Promise<Record<string, string[]>> => {
  const { settings: items } = JSON.parse((await world.gpuDev(line)).stdout);
  return Object.fromEntries(items.map((i: Record<string, string>) => [i.name, [i.value, i.origin]]));
};

test("each setting says where it comes from, and C-21 the token is never whole", async () => {
  const world = createWorld({ env: { GPU_DEV_TIME: "2h" } });
  writeFiles(world, { "config.json": { gpu_type: "h100", time: "9h" } });
  const file = join(world.home, "gd", "config.json");
  const shown = await settings(world);
  expect(shown).toMatchObject({
    url: ["http://gpu.test", "GPU_DEV_URL"],
    token: ["gd_sec…", "GPU_DEV_TOKEN"],
    gpu_type: ["h100", file],
    time: ["2h", "GPU_DEV_TIME"],
    "state directory": [join(world.home, "gd"), "GPU_DEV_HOME"],
  });
  for (const line of ["config show", "config show --json", "config show -v"])
    expect((await world.gpuDev(line)).stdout).not.toContain("secretsecret");
});

test("a context of credentials.json, chosen by a flag", async () => {
  const world = createWorld({ env: { GPU_DEV_TOKEN: "" } });
  writeFiles(world, { "credentials.json": { contexts: { lab: { url: "https://lab", token: "short" } } } });
  const file = join(world.home, "gd", "credentials.json");
  expect(await settings(world, "config show --json --context lab")).toMatchObject({
    context: ["lab", "--context"],
    url: ["https://lab", file],
    token: ["…", file],
  });
});

test("it works without any server configured", async () => {
  const world = createWorld({ env: { GPU_DEV_URL: "", GPU_DEV_TOKEN: "" } });
  expect(await settings(world)).toMatchObject({ url: [null, "not set"] });
});

test("reserve takes type and time from config.json, and a flag beats both", async () => {
  const world = createWorld({
    handlers: reserving,
  });
  writeFiles(world, { "config.json": { gpu_type: "a100", time: "90m" } });
  await world.gpuDev("reserve --no-wait");
  await world.gpuDev("reserve --no-wait --gpu-type h100 --time 2h");
  const bodies = world.server.requests.filter((r) => r.route === "createReservation").map((r) => r.body);
  expect(bodies).toMatchObject([
    { gpu_type: "a100", duration_s: 5400 },
    { gpu_type: "h100", duration_s: 7200 },
  ]);
});

test.each([
  ["{", "was set aside as config.json.corrupt-"],
  ['{"colour":"red"}', "not valid"],
  ['{"time":5}', "not valid"],
  ['{"gpu_type":"a100","time":"90"}', '"90" has no unit'],
])("a config.json of %s is a usage error that names the file", async (text, words) => {
  const world = createWorld();
  writeFiles(world, { "config.json": text });
  const done = await world.gpuDev("reserve --no-wait");
  expect(done.code).toBe(2);
  expect(done.stderr).toContain(join(world.home, "gd", "config.json"));
  expect(done.stderr).toContain(words);
});

test("a corrupt credentials.json is a usage error that names the file", async () => {
  const world = createWorld({ env: { GPU_DEV_URL: "" } });
  writeFiles(world, { "credentials.json": "{" });
  const done = await world.gpuDev("list");
  expect(done.code).toBe(2);
  expect(done.stderr).toContain(join(world.home, "gd", "credentials.json"));
});

test("config set, get and unset keep what else is in the file, which only the user can read", async () => {
  const world = createWorld();
  const file = join(world.home, "gd", "config.json");
  expect((await world.gpuDev("config set gpu_type h100")).stdout).toBe("gpu_type\th100\n");
  expect((await world.gpuDev("config set time 90m")).code).toBe(0);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(statSync(join(world.home, "gd")).mode & 0o777).toBe(0o700);
  expect((await world.gpuDev("config get time")).stdout).toBe("90m\n");
  expect(JSON.parse((await world.gpuDev("config get time --json")).stdout)).toEqual({
    name: "time",
    value: "90m",
    origin: file,
  });
  expect((await world.gpuDev("config unset time")).code).toBe(0);
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual({ gpu_type: "h100" });
  expect(await world.gpuDev("config get time")).toMatchObject({
    code: 0,
    stdout: "",
    stderr: expect.stringContaining("gpu-dev config set time VALUE"),
  });
});

test.each([
  ["config set colour red", 'There is no setting "colour"'],
  ["config get colour", "There are: gpu_type, time."],
  ["config set time 90", '"90" has no unit'],
  ["config edit", "needs a terminal"],
])("%s is a usage error", async (line, words) => {
  const world = createWorld();
  expect(await world.gpuDev(line)).toMatchObject({ code: 2, stderr: expect.stringContaining(words) });
});

test("a variable that goes before what was set is told", async () => {
  const world = createWorld({ env: { GPU_DEV_TIME: "2h" } });
  expect((await world.gpuDev("config set time 3h")).stderr).toContain(
    "GPU_DEV_TIME is set, and goes before it",
  );
  expect((await world.gpuDev("config get time")).stdout).toBe("2h\n");
});

test("config show --origin has every place that sets something, the one that counts first", async () => {
  const world = createWorld({ env: { GPU_DEV_TIME: "2h", GPU_DEV_CONTEXT: "corp" } });
  const credentials = {
    current: "lab",
    contexts: { lab: { url: "https://lab", token: "l" }, corp: { url: "https://corp", token: "c" } },
  };
  writeFiles(world, { "config.json": { time: "9h" }, "credentials.json": credentials });
  const rows = (await world.gpuDev("config show --origin --context lab")).stdout.split("\n");
  const of = (name: string): string[] =>
    rows.filter((row) => row.startsWith(`${name}\t`)).map((row) => row.split("\t").slice(1).join(" "));
  const file = (name: string): string => join(world.home, "gd", name);
  expect(of("context")).toEqual([
    "lab --context yes",
    "environment GPU_DEV_URL overridden",
    "corp GPU_DEV_CONTEXT overridden",
    `lab ${file("credentials.json")} overridden`,
  ]);
  expect(of("url")[0]).toBe(`https://lab ${file("credentials.json")} yes`);
  expect(of("token")).toEqual(["gd_sec… GPU_DEV_TOKEN yes", `… ${file("credentials.json")} overridden`]);
  expect(of("time")).toEqual(["2h GPU_DEV_TIME yes", `9h ${file("config.json")} overridden`]);
});

test("config path names the file; config edit opens it in the editor and checks it", async () => {
  const world = createWorld({
    terminal: true,
    env: { VISUAL: "my-editor --wait" },
    runProgram: async (_program, args) => {
      writeFileSync(args.at(-1) ?? "", '{"colour":"red"}');
      return { code: 0, stdout: "", stderr: "" };
    },
  });
  const file = join(world.home, "gd", "config.json");
  expect((await world.gpuDev("config path --json")).stdout).toContain(JSON.stringify(file));
  expect(await world.gpuDev("config edit")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(`${file} is not valid`),
  });
  expect(world.programs).toEqual([["my-editor", "--wait", file]]);
  expect(readFileSync(file, "utf8")).toBe('{"colour":"red"}');
});
