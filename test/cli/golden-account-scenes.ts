/** What the server answers to the commands of tokens and users, for the golden files. */

import type { IssuedToken, Token, User } from "../../src/api/accounts.ts";
import type { AuditEntry } from "../../src/api/audit.ts";
import type { LinkedIdentity } from "../../src/api/identities.ts";
import { made } from "../helpers/made.ts";
import { type Handlers, page } from "./helpers/fake-server.ts";

const token = (given: Partial<Token>): Token => ({
  id: "tokenbcdefghijklmnop",
  prefix: "gd_Zx81qA",
  label: "laptop",
  scope: "user",
  reservation_id: null,
  state: "live",
  created_at: "2025-12-01T09:00:00.000Z",
  expires_at: "2026-03-01T09:00:00.000Z",
  last_used_at: "2026-01-01T11:58:00.000Z",
  rotated_at: null,
  revoked_at: null,
  made_by: "userabcdefghijklmnop",
  made_with: null,
  current: true,
  ...given,
});
const ci = token({
  id: "citokenbcdefghijklmn",
  prefix: "gd_02bcde",
  label: "ci runner",
  scope: "reservation",
  reservation_id: "trainbcdefghijklmnop",
  last_used_at: null,
  current: false,
});
const issued: IssuedToken = { ...ci, token: "gd_02bcdeGoldenFilesHaveNoSecretsButThisOne000000" };
const user = (given: Partial<User>): User => ({
  id: "userabcdefghijklmnop",
  name: "ann",
  role: "admin",
  created_at: "2025-12-01T09:00:00.000Z",
  disabled_at: null,
  live_reservations: 2,
  live_tokens: 3,
  last_used_at: "2026-01-01T11:58:00.000Z",
  ...given,
});
const left = user({
  id: "userbcdefghijklmnopq",
  name: "bob@lab.example",
  role: "user",
  disabled_at: "2026-01-01T09:00:00.000Z",
  live_reservations: 0,
  live_tokens: 0,
  last_used_at: null,
});
const tokens: Handlers = { listTokens: () => page(token({}), ci), listUserTokens: () => page(token({}), ci) };
const users: Handlers = {
  listUsers: ({ query }) => page(...[user({}), left].filter(({ name }) => (query.name ?? name) === name)),
};

const identity: LinkedIdentity = {
  id: "identityabcdefghijkl",
  with: "oidc",
  provider: "https://sso.example.com",
  subject: "248289761001",
  name: "ann",
  user_id: "userabcdefghijklmnop",
  created_at: "2025-12-01T09:00:00.000Z",
  made_by: "userabcdefghijklmnop",
  made_with: "tokenbcdefghijklmnop",
};
const went = { also_revoked: made(1, 1), left: made(0, 0, 20) };
const unlinked = { ...identity, also_revoked: made(2), left: made(0) };
const identities: Handlers = {
  listIdentities: () => page(identity),
  listUserIdentities: () => page(identity),
  linkUserIdentity: () => ({ ...identity, name: null }),
  unlinkIdentity: () => unlinked,
  listLogins: () => page({ with: "oidc" as const, title: "Example SSO" }),
  beginLogin: () => ({
    with: "oidc" as const,
    login: "secret-of-this-login",
    expires_at: "2026-01-01T12:10:00.000Z",
    device: {
      verification_uri: "https://sso.example.com/device",
      verification_uri_complete: null,
      user_code: "ABCD-EFGH",
      interval_s: 5,
    },
    aws: null,
  }),
  linkIdentity: () => ({ state: "done" as const, identity }),
};

const entries: AuditEntry[] = [
  {
    id: "auditabcdefghijklmno",
    at: "2026-01-01T11:59:00.000Z",
    actor: left.id,
    actor_name: left.name,
    action: "access.refuse",
    subject: "GET /v1/users",
    outcome: "not_allowed",
    from: "203.0.113.7",
    request_id: "req-1",
    detail: "this is for administrators",
    data: null,
  },
  {
    id: "auditbcdefghijklmnop",
    at: "2026-01-01T10:00:00.000Z",
    actor: "system",
    actor_name: "system",
    action: "reservation.active",
    subject: "trainbcdefghijklmnop",
    outcome: "ok",
    from: null,
    request_id: null,
    detail: null,
    data: { session: "gw.1", bytes_up: 1200 },
  },
];

export const accountScenes = {
  "token list": { lines: ["token list"], handlers: tokens },
  "token create": {
    lines: ["token create ci-runner --expires 30d"],
    handlers: { createToken: () => issued },
  },
  "token rotate": {
    lines: ["token rotate"],
    handlers: { ...tokens, rotateToken: () => issued },
  },
  "token revoke": {
    lines: ["token revoke gd_02bcde --yes"],
    handlers: {
      ...tokens,
      revokeToken: () => ({ ...ci, state: "revoked", revoked_at: ci.created_at, ...went }),
    },
  },
  "admin users": {
    lines: ["admin users", "admin users create ann", "admin users disable bob@lab.example"],
    handlers: {
      ...users,
      createUser: () => ({ user: user({}), token: issued }),
      patchUser: () => left,
    },
  },
  "identity list": { lines: ["identity list"], handlers: identities },
  "identity link": { lines: ["identity link"], handlers: identities },
  "identity unlink": { lines: ["identity unlink oidc --yes"], handlers: identities },
  "admin identities": {
    lines: ["admin identities list ann", "admin identities link ann oidc:248289761001"],
    handlers: { ...users, ...identities },
  },
  "admin audit": {
    lines: ["admin audit --since 24h"],
    handlers: { listAudit: () => page(...entries) },
  },
  "admin tokens": { lines: ["admin tokens list ann"], handlers: { ...users, ...tokens } },
} as const;
