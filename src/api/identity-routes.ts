/** The routes of logins that are linked to users; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

export const identityRoutes = {
  listIdentities: {
    method: "GET",
    path: "/v1/identities",
    status: 200,
    summary: "The logins at providers that lead to the caller",
    errors: [],
  },
  linkIdentity: {
    method: "POST",
    path: "/v1/identities",
    status: 200,
    summary: "Finish a login that was begun at /v1/logins, so that it leads to the caller from now on",
    errors: ["login_over", "conflict"],
  },
  unlinkIdentity: {
    method: "DELETE",
    path: "/v1/identities/{id}",
    status: 200,
    summary: "Unlink a login; the tokens that came of it are revoked, and what was made with them",
    errors: ["not_found"],
  },
  listUserIdentities: {
    method: "GET",
    path: "/v1/users/{id}/identities",
    admin: true,
    status: 200,
    summary: "The logins at providers that lead to a user",
    errors: ["not_found"],
  },
  linkUserIdentity: {
    method: "POST",
    path: "/v1/users/{id}/identities",
    admin: true,
    status: 200,
    summary:
      "Link a login to a user, by what the provider never gives to another; doing it again does nothing",
    errors: ["not_found", "conflict"],
  },
  unlinkUserIdentity: {
    method: "DELETE",
    path: "/v1/users/{id}/identities/{identity}",
    admin: true,
    status: 200,
    summary: "Unlink a login of a user; the tokens that came of it are revoked, and what was made with them",
    errors: ["not_found"],
  },
} as const satisfies Record<string, Route>;
