/** The routes of tokens; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

/** What a token can be good for. `pod`: made by the server, for the pod of its reservation; nobody else makes one. */
export const SCOPES = ["user", "admin", "metrics", "reservation", "pod"] as const;
export type Scope = (typeof SCOPES)[number];

const MAKING = ["not_found", "not_active", "conflict", "idempotency_mismatch"] as const;

export const tokenRoutes = {
  listTokens: {
    method: "GET",
    path: "/v1/tokens",
    status: 200,
    summary: "The caller's tokens, newest first; never their secrets",
    errors: [],
  },
  createToken: {
    method: "POST",
    path: "/v1/tokens",
    status: 201,
    summary:
      "Make a token with at most the caller's own rights; its secret is in this answer and nowhere else",
    errors: MAKING,
  },
  getToken: {
    method: "GET",
    path: "/v1/tokens/{id}",
    status: 200,
    summary:
      "A token, and how much was made with it that is good; never its secret. Administrators see anybody's",
    errors: ["not_found"],
  },
  revokeToken: {
    method: "DELETE",
    path: "/v1/tokens/{id}",
    status: 200,
    summary:
      "Revoke a token, and what was made with it as far as `made` says; what they opened ends within 5 s. Doing it again does nothing more; administrators revoke anybody's",
    errors: ["not_found"],
  },
  rotateToken: {
    method: "POST",
    path: "/v1/tokens/{id}/rotate",
    status: 201,
    summary: "Make a token in place of this one, which is good for 10 more minutes",
    errors: MAKING,
  },
  listUserTokens: {
    method: "GET",
    path: "/v1/users/{id}/tokens",
    admin: true,
    status: 200,
    summary: "A user's tokens",
    errors: ["not_found"],
  },
  createUserToken: {
    method: "POST",
    path: "/v1/users/{id}/tokens",
    admin: true,
    status: 201,
    summary: "Make a token for a user",
    errors: MAKING,
  },
} as const satisfies Record<string, Route>;
