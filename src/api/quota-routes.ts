/** The routes of teams and quotas, most of them for administrators; a part of the table of routes.ts. */
import type { Route } from "./routes.ts";

export const quotaRoutes = {
  listTeams: {
    method: "GET",
    path: "/v1/teams",
    admin: true,
    status: 200,
    summary: "The teams and who is in them",
    errors: [],
  },
  createTeam: {
    method: "POST",
    path: "/v1/teams",
    admin: true,
    status: 201,
    summary: "Make a team",
    errors: ["name_taken", "idempotency_mismatch"],
  },
  deleteTeam: {
    method: "DELETE",
    path: "/v1/teams/{team}",
    admin: true,
    status: 200,
    summary: "Dissolve a team; its quota goes with it",
    errors: ["not_found"],
  },
  addMember: {
    method: "POST",
    path: "/v1/teams/{team}/members",
    admin: true,
    status: 200,
    summary: "Put a user into a team, and out of any other",
    errors: ["not_found"],
  },
  removeMember: {
    method: "DELETE",
    path: "/v1/teams/{team}/members/{user}",
    admin: true,
    status: 200,
    summary: "Take a user out of a team",
    errors: ["not_found"],
  },
  listQuotas: {
    method: "GET",
    path: "/v1/quotas",
    admin: true,
    status: 200,
    summary: "The quotas that are set",
    errors: [],
  },
  setQuota: {
    method: "PATCH",
    path: "/v1/quotas",
    admin: true,
    status: 200,
    summary: "Set limits of a user, a team, or all who have none of their own",
    errors: ["not_found"],
  },
  listOwnQuotas: {
    method: "GET",
    path: "/v1/me/quotas",
    status: 200,
    summary: "The limits that hold for the caller, and how much of them is used",
    errors: [],
  },
} as const satisfies Record<string, Route>;
