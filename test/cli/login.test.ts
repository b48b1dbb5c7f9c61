import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { complete } from "../../src/cli/completion/complete.ts";
import { Declined } from "../../src/cli/errors.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const TOKEN = "gd_tokentokentokentoken";
const me = { id: "u", name: "ada", role: "user" as const };

function createLoginWorld(options: WorldOptions = {}): World & { file: string; stored(): unknown } {
  const world = createWorld({
    handlers: { getMe: () => me, listReservations: () => page(reservation()) },
    stdin: `${TOKEN}\n`,
    ...options,
    env: { GPU_DEV_URL: "", GPU_DEV_TOKEN: "", ...options.env },
  });
  const file = join(world.home, "gd", "credentials.json");
  return Object.assign(world, { file, stored: () => JSON.parse(readFileSync(file, "utf8")) });
}

describe("login", () => {
  test("C-21 stores what the server accepted, readable by the user alone, and never prints it", async () => {
    const world = createLoginWorld();
    const done = await world.gpuDev("login https://lab.test/ --name lab -v");
    expect(done).toMatchObject({
      code: 0,
      stdout: "name\tada\nrole\tuser\nserver\thttps://lab.test\ncontext\tlab\n",
    });
    expect(world.stored()).toEqual({
      current: "lab",
      contexts: { lab: { url: "https://lab.test", token: TOKEN } },
    });
    expect(statSync(world.file).mode & 0o777).toBe(0o600);
    expect(statSync(join(world.home, "gd")).mode & 0o777).toBe(0o700);
    expect(done.stdout + done.stderr).not.toContain("tokentoken");
    expect(world.server.requests[0]?.headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(readdirSync(join(world.home, "gd")).sort()).toEqual(["completion.json", "credentials.json"]);
  });

  test("C-21 asks on a terminal without showing it; Ctrl-C changes nothing", async () => {
    const answers: (string | Error)[] = [TOKEN];
    const world = createLoginWorld({ terminal: true, answers });
    expect((await world.gpuDev("login http://127.0.0.1:4780")).code).toBe(0);
    expect(world.asked).toEqual(["Token for http://127.0.0.1:4780"]);
    expect(world.stored()).toMatchObject({ current: "127.0.0.1-4780" });
    const before = world.stored();
    answers[0] = new Declined();
    expect((await world.gpuDev("login https://other.test")).code).toBe(3);
    expect(world.stored()).toEqual(before);
  });

  test("a token that the server refuses is not stored", async () => {
    const world = createLoginWorld({
      handlers: { getMe: () => new Problem("not_logged_in", "The token is not valid") },
    });
    const done = await world.gpuDev("login https://lab.test");
    expect(done).toMatchObject({ code: 4, stderr: expect.stringContaining("The token is not valid") });
    expect(existsSync(world.file)).toBe(false);
  });

  test.each([
    ["login ftp://lab.test", "", "is not an http or https URL"],
    ["login https://ada:secret@lab.test", "", "has a user name or a password in it"],
    ["login https://lab.test", "", "No token was given"],
    ["login https://lab.test", "two words", "is no token"],
    ["login https://lab.test --name local", TOKEN, "cannot name a server"],
    ["login https://lab.test --name a/b", TOKEN, "cannot name a server"],
  ])("%s with %j is a usage error", async (line, stdin, words) => {
    const world = createLoginWorld({ stdin });
    const done = await world.gpuDev(line);
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining(words) });
    expect(existsSync(world.file)).toBe(false);
  });

  test("a name is not taken from another server; a new token for the same one replaces the old", async () => {
    const world = createLoginWorld();
    await world.gpuDev("login https://lab.test --name lab");
    const other = await world.gpuDev("login https://other.test --name lab");
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("lab is the name of https://lab.test already"),
    });
    expect((await world.gpuDev("login https://lab.test --name lab")).code).toBe(0);
  });

  test("an address that is not encrypted is told, this machine's is not", async () => {
    const world = createLoginWorld();
    expect((await world.gpuDev("login http://lab.test")).stderr).toContain("is not encrypted");
    expect((await world.gpuDev("login http://localhost:80")).stderr).not.toContain("is not encrypted");
  });

  test("two logins at once both stay", async () => {
    const world = createLoginWorld();
    await Promise.all([world.gpuDev("login https://a.test"), world.gpuDev("login https://b.test")]);
    expect(Object.keys((world.stored() as { contexts: object }).contexts).sort()).toEqual([
      "a.test",
      "b.test",
    ]);
  });
});

describe("contexts", () => {
  async function withTwo(options: WorldOptions = {}): Promise<ReturnType<typeof createLoginWorld>> {
    const world = createLoginWorld(options);
    await world.gpuDev("login https://lab.test --name lab");
    await world.gpuDev("login https://corp.test --name corp");
    return world;
  }

  test("list marks the current one; use changes it; --context and GPU_DEV_CONTEXT choose for once", async () => {
    const world = await withTwo();
    expect((await world.gpuDev("context list")).stdout).toBe(
      "corp\thttps://corp.test\tcurrent\nlab\thttps://lab.test\t\n",
    );
    expect((await world.gpuDev("context use lab")).code).toBe(0);
    expect((await world.gpuDev("whoami")).stdout).toContain("https://lab.test");
    expect((await world.gpuDev("whoami --context corp")).stdout).toContain("https://corp.test");
    world.env.GPU_DEV_CONTEXT = "corp";
    expect((await world.gpuDev("whoami")).stdout).toContain("https://corp.test");
    expect((await world.gpuDev("context use lab")).stderr).toContain(
      "GPU_DEV_CONTEXT is set, and goes before it",
    );
    expect(complete("contexts", world.env, "/")).toBe("corp\nlab\n");
  });

  test("an unknown one is a usage error that lists them, or says how to make one", async () => {
    const world = await withTwo();
    expect(await world.gpuDev("context use nope")).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("There are: corp, lab."),
    });
    expect(await world.gpuDev("list --context nope")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining("gpu-dev context list"),
    });
  });

  test("logout forgets the token and leaves the others", async () => {
    const world = await withTwo();
    expect((await world.gpuDev("logout")).stderr).toContain("Logged out of https://corp.test");
    expect(world.stored()).toEqual({ contexts: { lab: { url: "https://lab.test", token: TOKEN } } });
    expect((await world.gpuDev("list")).code).toBe(4);
    expect((await world.gpuDev("logout lab")).code).toBe(0);
    expect(await world.gpuDev("logout lab")).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('You are not logged in to "lab"'),
    });
  });

  test("ssh knows the reservations of all, by name those of the current one", async () => {
    const world = await withTwo();
    const other = "zzzzdefghijklmnopqrst".slice(0, 20);
    const sshConfig = (): string => readFileSync(join(world.home, "gd", "ssh_config"), "utf8");
    await world.gpuDev("list");
    world.server.handlers = {
      getMe: () => me,
      listReservations: () => page(reservation({ id: other, ssh_host: `${other}.lab.internal` })),
    };
    await world.gpuDev("list --context lab");
    expect(sshConfig()).toContain("Host gpu-dev-abcdefgh hello\n");
    expect(sshConfig()).toContain("Host gpu-dev-zzzzdefg\n");
    expect(sshConfig()).toMatch(/--context lab --domain lab\.internal/);
    expect(sshConfig()).toMatch(/--context corp --domain gpu-dev\.internal/);
    await world.gpuDev("context use lab");
    expect(sshConfig()).toContain("Host gpu-dev-zzzzdefg hello\n");
    expect(sshConfig()).toContain("Host gpu-dev-abcdefgh\n");
    await world.gpuDev("logout corp");
    expect(sshConfig()).not.toContain("abcdefgh");
    const hosts = readFileSync(join(world.home, "gd", "known_hosts"), "utf8");
    expect(hosts).toContain("zzzzdefg");
  });
});

describe("a corrupt credentials.json", () => {
  test.each(["{", "[]", '{"contexts":5}', '{"contexts":{"lab":{}}}'])(
    "%s is set aside, whole, and the next login works",
    async (text) => {
      const world = createLoginWorld();
      mkdirSync(join(world.home, "gd"), { recursive: true });
      writeFileSync(world.file, text);
      const done = await world.gpuDev("login https://lab.test --name lab");
      const aside = "credentials.json.corrupt-20260101T120000000Z";
      expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining(aside) });
      expect(readFileSync(join(world.home, "gd", aside), "utf8")).toBe(text);
      expect((await world.gpuDev("login https://lab.test --name lab")).code).toBe(0);
    },
  );
});
