/** Attempts to be somebody without the token of somebody. */
import { createHash, randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { issueToken } from "../../../src/core/people/issue.ts";
import { type ApiRig, engineNamed, openRig, type Person } from "../rig.ts";
import { refusal } from "./refusal.ts";

let rig: ApiRig;
let alice: Person;
beforeAll(async () => {
  rig = await openRig(engineNamed("sqlite"));
  alice = await rig.person("alice", "admin");
});
afterAll(() => rig.close());

const get = (headers: Record<string, string>, path = "/v1/me") => rig.app.request(path, { headers });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

test.each<[string, (token: string) => Record<string, string>]>([
  ["no token", () => ({})],
  ["an empty header", () => ({ authorization: "" })],
  ["a scheme without a token", () => ({ authorization: "Bearer" })],
  ["a guess", () => bearer(`gd_${randomBytes(32).toString("base64url")}`)],
  ["the token with one more character", (token) => bearer(`${token}A`)],
  ["the token without its last character", (token) => bearer(token.slice(0, -1))],
  ["the token in capitals", (token) => bearer(token.toUpperCase())],
  ["the token without its prefix", (token) => bearer(token.slice(3))],
  ["the stored hash of the token", (token) => bearer(createHash("sha256").update(token).digest("hex"))],
  ["two tokens in one header", (token) => bearer(`${token}, Bearer ${token}`)],
  [
    "basic authentication",
    (token) => ({ authorization: `Basic ${Buffer.from(`alice:${token}`).toString("base64")}` }),
  ],
  ["a wildcard", () => bearer("%")],
  ["SQL", () => bearer("'or'1'='1")],
  ["an empty JSON web token", () => bearer("eyJhbGciOiJub25lIn0.eyJyb2xlIjoiYWRtaW4ifQ.")],
  ["a cookie", (token) => ({ cookie: `token=${token}; authorization=Bearer ${token}` })],
  ["a header of proxies", (token) => ({ "x-forwarded-user": "alice", "x-authorization": `Bearer ${token}` })],
])("X-01 %s is 401", async (_what, headers) => {
  for (const path of ["/v1/me", "/v1/nodes", "/metrics"])
    expect(await refusal(await get(headers(alice.token), path))).toBe("401 not_logged_in");
});

test.each(["token", "access_token", "authorization"])("T-07 a token in the URL's %s is 401", async (name) => {
  const response = await get({}, `/v1/me?${name}=${alice.token}`);
  expect(await refusal(response)).toBe("401 not_logged_in");
  expect(rig.log.join("")).not.toContain(alice.token);
});

test("X-01 a token that expired, or was revoked, is 401", async () => {
  const short = await issueToken(rig.core, alice.id, { label: "short", ttlS: 60 });
  const gone = await issueToken(rig.core, alice.id, { label: "gone" });
  await alice.api.revokeToken({ params: { id: gone.id }, query: {} });
  rig.clock.tick(60_000);
  for (const { token } of [short, gone])
    expect(await refusal(await get(bearer(token)))).toBe("401 not_logged_in");
});

test.each([
  ["metrics", "/v1/me", "403 not_allowed"],
  ["metrics", "/v1/users", "403 not_allowed"],
  ["user", "/v1/nodes", "403 not_allowed"],
  ["user", "/v1/users", "403 not_allowed"],
  ["user", "/metrics", "403 not_allowed"],
] as const)("A-15 a token of the scope %s gets %s answered with %s", async (scope, path, expected) => {
  const { token } = await alice.api.createToken({ body: { label: `${scope}-${path}`, scope } });
  expect(await refusal(await get(bearer(token), path))).toBe(expected);
});
