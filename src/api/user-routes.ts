/** The routes of users, which are for administrators; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

export const userRoutes = {
  listUsers: {
    method: "GET",
    path: "/v1/users",
    admin: true,
    status: 200,
    summary: "The users, by name",
    errors: [],
  },
  createUser: {
    method: "POST",
    path: "/v1/users",
    admin: true,
    status: 201,
    summary: "Add a user, with a first token",
    errors: ["name_taken", "conflict", "idempotency_mismatch"],
  },
  getUser: {
    method: "GET",
    path: "/v1/users/{id}",
    admin: true,
    status: 200,
    summary: "Show a user",
    errors: ["not_found"],
  },
  listAudit: {
    method: "GET",
    path: "/v1/audit",
    admin: true,
    status: 200,
    summary: "The audit trail, newest first: who did what to what, when, from where, with which outcome",
    errors: ["not_found"],
  },
  patchUser: {
    method: "PATCH",
    path: "/v1/users/{id}",
    admin: true,
    status: 200,
    summary: "Disable or enable a user, or change the role; the last administrator stays one",
    errors: ["not_found", "last_administrator", "conflict"],
  },
} as const satisfies Record<string, Route>;
