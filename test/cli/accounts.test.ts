/** The commands of tokens and users as they are typed. */
import { expect, test } from "vitest";
import type { IssuedToken, Token, User } from "../../src/api/accounts.ts";
import { made } from "../helpers/made.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const SECRET = `gd_${"s".repeat(43)}`;
const token = (given: Partial<Token> = {}): Token => ({
  id: "tokenbcdefghijklmnop",
  prefix: "gd_ssssss",
  label: "laptop",
  scope: "user",
  reservation_id: null,
  state: "live",
  created_at: "2025-12-01T09:00:00.000Z",
  expires_at: "2026-03-01T09:00:00.000Z",
  last_used_at: null,
  rotated_at: null,
  revoked_at: null,
  made_by: "userabcdefghijklmnop",
  made_with: null,
  current: true,
  ...given,
});
const issued: IssuedToken = { ...token({ current: false }), token: SECRET };
const ci = token({ id: "cibcdefghijklmnopqrs", prefix: "gd_cccccc", label: "ci", current: false });
const twin = token({ id: "twbcdefghijklmnopqrs", prefix: "gd_tttttt", label: "ci", current: false });
const ann: User = {
  id: "annbcdefghijklmnopqr",
  name: "ann",
  role: "user",
  created_at: "2025-12-01T09:00:00.000Z",
  disabled_at: null,
  live_reservations: 2,
  live_tokens: 1,
  last_used_at: null,
};

const world = (options: WorldOptions = {}): World =>
  createWorld({
    handlers: {
      listTokens: () => page(token(), ci),
      listUserTokens: () => page(ci),
      createToken: () => issued,
      createUserToken: () => issued,
      rotateToken: () => issued,
      revokeToken: ({ params }) => ({
        ...token({ id: params.id ?? "", state: "revoked" }),
        ...{ also_revoked: made(2, 1), left: made(0, 0, 20) },
      }),
      getToken: ({ params }) => ({ ...(params.id === ci.id ? ci : token()), made: made(2, 1, 20) }),
      listUsers: ({ query }) => page(...[ann].filter(({ name }) => (query.name ?? name) === name)),
      createUser: () => ({ user: ann, token: issued }),
      patchUser: () => ann,
      listReservations: () => page(reservation()),
    },
    ...options,
  });

test.each([
  "token create laptop",
  "token rotate",
  "admin users create ann",
  "admin tokens create ann laptop",
])("X-01 %s prints the secret once, alone on stdout", async (line) => {
  const done = await world().gpuDev(line);
  expect([done.code, done.stdout]).toEqual([0, `${SECRET}\n`]);
  expect(done.stderr).toContain("only time that it is shown");
  expect(done.stderr).not.toContain(SECRET);
  const json = JSON.parse((await world().gpuDev(`${line} --json`)).stdout);
  expect(json.token.token ?? json.token).toBe(SECRET);
});

test.each<[string, string, unknown]>([
  ["token create laptop", "createToken", { label: "laptop" }],
  [
    "token create m --scope metrics --expires 30d",
    "createToken",
    { label: "m", scope: "metrics", expires_in_s: 2_592_000 },
  ],
  [
    "token create w --reservation hello",
    "createToken",
    { label: "w", scope: "reservation", reservation_id: reservation().id },
  ],
  [
    "admin users create ann --role admin --expires 1d",
    "createUser",
    { name: "ann", role: "admin", token_expires_in_s: 86_400 },
  ],
  ["admin users disable ann --cancel", "patchUser", { disabled: true, cancel: true }],
  ["admin users disable ann", "patchUser", { disabled: true }],
  ["admin users enable ann", "patchUser", { disabled: false }],
  ["admin users role ann admin", "patchUser", { role: "admin" }],
  ["admin tokens create ann x --scope user", "createUserToken", { label: "x", scope: "user" }],
])("%s", async (line, route, body) => {
  const it = world();
  expect((await it.gpuDev(line)).code).toBe(0);
  const sent = it.server.requests.at(-1);
  expect([sent?.route, sent?.body]).toEqual([route, body]);
  if (route.startsWith("create")) expect(sent?.headers["idempotency-key"]).toMatch(/^[\w-]{16,}$/);
});

test("a token is meant by its id, its beginning or its label, and only when one has it", async () => {
  for (const word of [ci.id, ci.prefix, "ci"]) {
    const it = world();
    expect((await it.gpuDev(["token", "revoke", word])).code).toBe(0);
    expect(it.server.requests.at(-1)).toMatchObject({ route: "revokeToken", params: { id: ci.id } });
  }
  const it = world();
  await it.gpuDev("admin tokens revoke ann ci");
  expect(it.server.requests.at(-1)?.params).toEqual({ id: ci.id });
  it.server.handlers.listTokens = () => page(ci, twin);
  expect(await it.gpuDev("token revoke ci")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(twin.id),
  });
  expect(it.server.requests.at(-1)?.route).toBe("listTokens");
});

test("revoking says what went with it, what did not and what to do after a theft", async () => {
  const it = world();
  const words = (command: string) =>
    [
      "laptop, and 2 tokens and a linked login made with it, are good for nothing any more",
      `Still good: 20 tokens of 20 other users, made with it. Did somebody else have it? Then: gpu-dev ${command} --with-others`,
      "",
    ].join("\n");
  expect((await it.gpuDev("token revoke laptop")).stderr).toBe(words(`token revoke ${token().id}`));
  expect((await it.gpuDev("admin tokens revoke ann ci")).stderr).toBe(
    words(`admin tokens revoke ann ${ci.id}`),
  );
  it.server.handlers.revokeToken = () => ({ ...ci, also_revoked: made(0), left: made(1) });
  expect((await it.gpuDev("token revoke ci --keep-made")).stderr).toBe(
    `ci is good for nothing any more\nStill good: a token, made with it. Did somebody else have it? Then: gpu-dev token revoke ${ci.id}\n`,
  );
});

test.each(["token revoke ci", "admin tokens revoke ann ci"])(
  "%s says what becomes of what was made with it",
  async (line) => {
    const it = world();
    for (const [option, query] of [
      ["", {}],
      ["--keep-made", { made: "keep" }],
      ["--with-others --yes", { made: "all" }],
    ] as const) {
      expect((await it.gpuDev(`${line} ${option}`)).code).toBe(0);
      expect(it.server.requests.at(-1)?.query).toEqual(query);
    }
    const sent = it.server.requests.length;
    expect((await it.gpuDev(`${line} --keep-made --with-others`)).code).toBe(2);
    expect(it.server.requests.slice(sent).filter(({ route }) => route === "revokeToken")).toEqual([]);
  },
);

test("a token that was revoked is found to end the rest, a live one of the same name goes before it", async () => {
  const it = world();
  const old = token({ id: "oldbcdefghijklmnopqr", prefix: "gd_oooooo", label: "old", state: "revoked" });
  const gone = token({ id: "gonecdefghijklmnopqr", prefix: "gd_gggggg", label: "ci", state: "revoked" });
  it.server.handlers.listTokens = ({ query }) => (query.state === "all" ? page(ci, old, gone) : page(ci));
  for (const [word, id] of [
    ["old", old.id],
    [gone.id, gone.id],
    ["ci", ci.id],
  ]) {
    expect((await it.gpuDev(`token revoke ${word} --with-others --yes`)).code).toBe(0);
    expect(it.server.requests.at(-1)).toMatchObject({ route: "revokeToken", params: { id } });
  }
});

test("on a terminal revoking and ending somebody's reservations ask first", async () => {
  for (const [line, question] of [
    [
      "token revoke laptop",
      "Revoke laptop (gd_ssssss…), which is the one in use here, and 2 tokens and a linked login made with it, but not 20 tokens of 20 other users made with it?",
    ],
    [
      "token revoke ci --with-others",
      `Revoke ci (${ci.prefix}…), and 2 tokens and a linked login, and 20 tokens of 20 other users made with it?`,
    ],
    [
      "token revoke ci --keep-made",
      `Revoke ci (${ci.prefix}…), but not 2 tokens and a linked login, and 20 tokens of 20 other users made with it?`,
    ],
    [
      "admin tokens revoke ann ci --with-others",
      `Revoke ci of ann (${ci.prefix}…), and 2 tokens and a linked login, and 20 tokens of 20 other users made with it?`,
    ],
    ["admin users disable ann --cancel", "Disable ann and end 2 reservations?"],
  ] as const) {
    const it = world({ terminal: true, answers: [false] });
    expect((await it.gpuDev(line)).code).toBe(3);
    expect(it.asked).toEqual([question]);
    expect((await it.gpuDev(`${line} --yes`)).code).toBe(0);
    expect(it.asked).toHaveLength(1);
  }
});

test.each([
  ["token revoke ci --with-others", "Revoke ci (gd_"],
  ["admin tokens revoke ann ci --with-others", "Revoke ci of ann (gd_"],
])("%s is not done where nobody can be asked, and says how much it would be", async (line, words) => {
  const it = world();
  const { code, stderr } = await it.gpuDev(line);
  expect([code, it.server.requests.filter(({ route }) => route === "revokeToken")]).toEqual([2, []]);
  expect(stderr).toContain("--yes is missing");
  expect(stderr).toContain(words);
  expect(stderr).toContain("and 20 tokens of 20 other users made with it");
});

test.each([
  ["token revoke nothing", 5, "no live token"],
  ["token create x --scope reservation", 2, "needs --reservation"],
  ["token create x --scope admin --reservation hello", 2, "exclude each other"],
  ["token create x --scope pod", 2, "none of"],
  ["admin users show an", 5, "Did you mean ann?"],
  ["admin users create Ann", 2, "is not allowed"],
  ["admin users drop ann", 2, "none of list"],
  ["admin users show", 2, "missing required argument 'user'"],
  ["admin users role ann root", 2, "user or admin"],
  ["admin users enable ann --cancel", 2, "goes with disable"],
  ["admin users --role admin", 2, "go with create"],
  ["admin tokens drop ann", 2, "none of list"],
  ["admin tokens list ann --scope user", 2, "go with create"],
  ["admin tokens create ann x --scope reservation", 2, "is none of user, admin, metrics"],
  ["admin tokens create ann x --keep-made", 2, "go with revoke"],
  ["admin tokens list ann --with-others", 2, "go with revoke"],
  ["admin tokens create ann", 2, "its label"],
  ["admin tokens revoke ann", 2, "which one"],
])("%s changes nothing", async (line, code, words) => {
  const it = world();
  expect(await it.gpuDev(line)).toMatchObject({ code, stderr: expect.stringContaining(words) });
  expect(it.server.requests.filter(({ route }) => !route.startsWith("list"))).toEqual([]);
});
