/** Logins that a person finishes in a browser, as the command line shows them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { Login, LoginResult } from "../../src/api/logins.ts";
import { type Handlers, page } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const me = { id: "u", name: "ada", role: "user" as const };
const begun: Login = {
  with: "oidc",
  login: "secret-of-this-login",
  expires_at: "2026-01-01T12:10:00.000Z",
  device: {
    verification_uri: "https://sso.test/device",
    verification_uri_complete: "https://sso.test/device?code=ABCD-EFGH",
    user_code: "ABCD-EFGH",
    interval_s: 5,
  },
  aws: null,
};
const finished: LoginResult = {
  state: "done",
  token: "gd_newnewnewnewnewnew",
  expires_at: "2026-01-08T12:00:00.000Z",
  user: me,
};
const ways = page(
  { with: "oidc" as const, title: "Example SSO" },
  { with: "token" as const, title: "a token that you have" },
);

/** A server that answers so, one after the other, when it is asked whether the person has logged in. */
function open(answers: readonly (LoginResult | Problem)[], options: WorldOptions = {}): World {
  const left = [...answers];
  const handlers: Handlers = {
    listLogins: () => ways,
    beginLogin: () => begun,
    finishLogin: () => left.shift() ?? expect.fail("it was asked too often"),
    getMe: () => me,
    listReservations: () => page(),
  };
  return createWorld({ env: { GPU_DEV_URL: "", GPU_DEV_TOKEN: "" }, handlers, ...options });
}
const stored = ({ home }: World) => JSON.parse(readFileSync(join(home, "gd", "credentials.json"), "utf8"));
const asked = ({ server }: World) => server.requests.map(({ route }) => route);

test("X-02 C-21 shows where to go, asks as often as it is told, and stores what comes of it", async () => {
  const world = open([{ state: "pending", interval_s: 5 }, { state: "pending", interval_s: 10 }, finished]);
  const done = await world.gpuDev("login https://lab.test --name lab --with oidc");
  expect(done).toEqual({
    code: 0,
    stdout:
      "name\tada\nrole\tuser\nserver\thttps://lab.test\ncontext\tlab\nuntil\t2026-01-08T12:00:00.000Z\n",
    stderr: expect.stringMatching(
      /^Open https:\/\/sso\.test\/device\?code=ABCD-EFGH in a browser and confirm the code ABCD-EFGH; it is good until \d\d:10\.\n/,
    ),
  });
  expect(stored(world)).toEqual({
    current: "lab",
    contexts: { lab: { url: "https://lab.test", token: "gd_newnewnewnewnewnew", login: "oidc" } },
  });
  expect(world.now.toISOString()).toBe("2026-01-01T12:00:20.000Z");
  expect(done.stdout + done.stderr).not.toMatch(/newnew|secret-of-this-login/);
  expect(
    world.server.requests.every(
      ({ headers }) => !("authorization" in headers) || headers.authorization?.includes("newnew"),
    ),
  ).toBe(true);
});

test("on a terminal it is chosen from what the server offers; a server that offers only tokens asks for one", async () => {
  const world = open([finished], { terminal: true, answers: ["oidc"] });
  expect((await world.gpuDev("login https://lab.test")).code).toBe(0);
  expect(world.asked).toEqual(["How do you log in?"]);
  expect(world.offered[0]?.map(({ name }) => name)).toEqual([
    "with Example SSO",
    "with a token that you have",
  ]);
  for (const listLogins of [
    () => page({ with: "token" as const, title: "a token that you have" }),
    () => new Problem("unknown_route", "there is no /v1/logins"),
  ]) {
    const plain = open([], { terminal: true, answers: ["gd_typedtypedtyped"] });
    plain.server.handlers.listLogins = listLogins;
    expect((await plain.gpuDev("login https://lab.test")).code).toBe(0);
    expect(plain.asked).toEqual(["Token for https://lab.test"]);
  }
});

test("a code without an address of its own is entered by hand", async () => {
  const world = open([finished]);
  const device = begun.device && { ...begun.device, verification_uri_complete: null };
  world.server.handlers.beginLogin = () => ({ ...begun, device });
  const { stderr } = await world.gpuDev("login https://lab.test --with github");
  expect(stderr).toContain("Open https://sso.test/device in a browser and enter the code ABCD-EFGH; it");
});

describe("what goes wrong", () => {
  test.each([
    ["not_allowed", "the login was refused at Example SSO", 4],
    ["login_over", "the code for Example SSO is good no longer", 4],
    ["name_taken", "there is a user ada already", 9],
  ] as const)("%s ends it, with the server's words", async (code, detail, exit) => {
    const world = open([{ state: "pending", interval_s: 5 }, new Problem(code, detail)]);
    const done = await world.gpuDev("login https://lab.test --with oidc");
    expect(done).toMatchObject({ code: exit, stderr: expect.stringContaining(detail) });
    expect(asked(world)).toEqual(["beginLogin", "finishLogin", "finishLogin"]);
  });

  test("B-10 a provider that cannot be asked now is waited for, five times in a row", async () => {
    const down = new Problem("unavailable", "Example SSO is down: it is asked again in 30 s");
    const back = open([down, down, down, down, { state: "pending", interval_s: 5 }, down, finished]);
    expect((await back.gpuDev("login https://lab.test --with oidc")).code).toBe(0);
    const gone = open([down, down, down, down, down]);
    const done = await gone.gpuDev("login https://lab.test --with oidc --json");
    expect([done.code, JSON.parse(done.stdout).code]).toEqual([75, "unavailable"]);
  });

  test("Ctrl-C ends it with 130, and nothing is stored", async () => {
    const world = open([]);
    world.onSleep = () => world.interrupt.abort();
    const done = await world.gpuDev("login https://lab.test --with oidc");
    expect(done).toMatchObject({ code: 130, stderr: expect.stringContaining("nothing came of that login") });
    expect(() => stored(world)).toThrow("ENOENT");
  });

  test("a way that the server does not offer is refused before anything is shown", async () => {
    const world = open([]);
    const detail = "this server offers no login with github; it offers oidc, token";
    world.server.handlers.beginLogin = () => new Problem("invalid_input", detail);
    const done = await world.gpuDev("login https://lab.test --with github");
    expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining(detail) });
  });
});

test("C-03 a login that is over is made anew on a terminal, for all requests at once", async () => {
  const world = open([finished, finished], { terminal: true });
  await world.gpuDev("login https://lab.test --with oidc");
  world.server.handlers.getMe = ({ headers }) =>
    headers.authorization === "Bearer gd_newnewnewnewnewnew" &&
    asked(world).filter((r) => r === "beginLogin").length > 1
      ? me
      : new Problem("not_logged_in", "the token expired");
  const done = await world.gpuDev("whoami");
  expect(done).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("Your login to https://lab.test is over"),
  });
  expect(asked(world).slice(-4)).toEqual(["getMe", "beginLogin", "finishLogin", "getMe"]);
});

test("C-03 a 403 is final: nothing is made anew", async () => {
  const world = open([finished], { terminal: true });
  await world.gpuDev("login https://lab.test --with oidc");
  world.server.handlers.getMe = () => new Problem("not_allowed", "only an administrator may see this");
  world.server.requests.length = 0;
  expect((await world.gpuDev("whoami")).code).toBe(4);
  expect(asked(world)).toEqual(["getMe"]);
});
