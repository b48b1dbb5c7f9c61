/** Linking logins to a user, as the command line does it. */
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { LinkedIdentity } from "../../src/api/identities.ts";
import { made } from "../helpers/made.ts";
import { type Handlers, page } from "./helpers/fake-server.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const linked = (given: Partial<LinkedIdentity> = {}): LinkedIdentity => ({
  id: "identityabcdefghijkl",
  with: "oidc",
  provider: "https://sso.test",
  subject: "248289",
  name: "ada",
  user_id: "userabcdefghijklmnop",
  created_at: "2026-01-01T11:00:00.000Z",
  made_by: null,
  made_with: null,
  ...given,
});
const github = linked({
  id: "githubabcdefghijklmn",
  with: "github",
  provider: "https://github.test",
  subject: "583231",
});
const ann = {
  id: "userabcdefghijklmnop",
  name: "ann",
  role: "user" as const,
  created_at: "2026-01-01T11:00:00.000Z",
  disabled_at: null,
  live_reservations: 0,
  live_tokens: 1,
  last_used_at: null,
};

function open(handlers: Handlers = {}, options: WorldOptions = {}) {
  const pending = { state: "pending" as const, interval_s: 5 };
  const answers = [pending, { state: "done" as const, identity: linked() }];
  return createWorld({
    handlers: {
      listLogins: () =>
        page(
          { with: "oidc" as const, title: "Example SSO" },
          { with: "token" as const, title: "a token that you have" },
        ),
      beginLogin: () => ({
        with: "oidc" as const,
        login: "secret-of-this-login",
        expires_at: "2026-01-01T12:10:00.000Z",
        device: {
          verification_uri: "https://sso.test/device",
          verification_uri_complete: null,
          user_code: "ABCD-EFGH",
          interval_s: 5,
        },
        aws: null,
      }),
      linkIdentity: () => answers.shift() ?? expect.fail("it was asked too often"),
      listIdentities: () => page(linked(), github),
      listUserIdentities: () => page(linked(), github),
      unlinkIdentity: () => ({ ...github, also_revoked: made(1), left: made(0, 0, 3) }),
      unlinkUserIdentity: () => ({ ...github, also_revoked: made(0), left: made(0) }),
      linkUserIdentity: () => linked(),
      listUsers: () => page(ann),
      ...handlers,
    },
    ...options,
  });
}

test("X-02 linking shows a code, and asks with the caller's token until it was entered", async () => {
  const world = open();
  const done = await world.gpuDev("identity link");
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining("248289") });
  expect(done.stderr).toContain("Open https://sso.test/device in a browser and enter the code ABCD-EFGH");
  expect(done.stderr).toContain("ada at https://sso.test leads to you from now on");
  const routes = world.server.requests.map(({ route }) => route);
  expect(routes).toEqual(["listLogins", "beginLogin", "linkIdentity", "linkIdentity"]);
  expect(world.server.requests.at(-1)).toMatchObject({
    body: { login: "secret-of-this-login" },
    headers: { authorization: expect.stringMatching(/^Bearer ./) },
  });
});

test("which login is asked for where the server offers several; none and refusals are said", async () => {
  const ways = () =>
    page({ with: "oidc" as const, title: "Example SSO" }, { with: "github" as const, title: "GitHub" });
  const world = open({ listLogins: ways }, { terminal: true, answers: ["github"] });
  expect((await world.gpuDev("identity link")).code).toBe(0);
  expect(world.server.requests.find(({ route }) => route === "beginLogin")?.body).toEqual({ with: "github" });
  expect(await open({ listLogins: ways }).gpuDev("identity link")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("--with is missing"),
  });
  const none = open({ listLogins: () => page({ with: "token" as const, title: "a token" }) });
  expect((await none.gpuDev("identity link")).code).toBe(2);
  const taken = open({
    linkIdentity: () => new Problem("conflict", "this login leads to another user here"),
  });
  expect((await taken.gpuDev("identity link --with oidc")).code).toBe(9);
});

test("unlinking says what went, what stays and what to do then, and ends that as well when told to", async () => {
  const world = open();
  const { stderr } = await world.gpuDev("identity unlink github --yes");
  expect(stderr).toContain("leads here no more; a token that came of it: good for nothing any more\n");
  expect(stderr).toContain("Still good: 3 tokens of 3 other users");
  expect(stderr).toContain("--with-others");
  expect(world.server.requests.at(-1)?.query).toEqual({});
  for (const line of ["identity unlink github --yes", "admin identities unlink ann github:583231"]) {
    expect((await world.gpuDev(`${line} --with-others`)).code).toBe(line.includes("--yes") ? 0 : 2);
    expect((await world.gpuDev(`${line.replace(" --yes", "")} --with-others --yes`)).code).toBe(0);
    expect(world.server.requests.at(-1)?.query).toEqual({ made: "all" });
  }
});

test.each([
  ["identity unlink github --yes", "unlinkIdentity", { id: github.id }, undefined],
  ["identity unlink 583231 --yes", "unlinkIdentity", { id: github.id }, undefined],
  ["admin identities unlink ann github:583231", "unlinkUserIdentity", { identity: github.id }, undefined],
  ["admin identities link ann github:583231", "linkUserIdentity", {}, { with: "github", subject: "583231" }],
])("%s", async (line, route, params, body) => {
  const world = open();
  expect((await world.gpuDev(line)).code).toBe(0);
  const sent = world.server.requests.at(-1);
  expect(sent?.route).toBe(route);
  expect(sent?.params).toMatchObject(params);
  expect(sent?.body).toEqual(body);
});

test.each([
  ["identity unlink ada --yes", 2, "means several logins"],
  ["identity unlink eve --yes", 5, "no linked login"],
  ["admin identities link ann 583231", 2, "WITH:SUBJECT"],
  ["admin identities link ann ldap:583231", 2, "WITH:SUBJECT"],
  ["admin identities unlink ann", 2, "which one"],
  ["admin identities list ann --with-others", 2, "go with unlink"],
  ["admin identities drop ann", 2, "none of list"],
])("%s changes nothing", async (line, code, words) => {
  const world = open();
  expect(await world.gpuDev(line)).toMatchObject({ code, stderr: expect.stringContaining(words) });
  expect(world.server.requests.filter(({ route }) => !route.startsWith("list"))).toEqual([]);
});

test("on a terminal unlinking asks first", async () => {
  const world = open({}, { terminal: true, answers: [false] });
  expect((await world.gpuDev("identity unlink github")).code).toBe(3);
  expect(world.asked).toEqual(["Unlink ada at https://github.test, and revoke the tokens that came of it?"]);
});
