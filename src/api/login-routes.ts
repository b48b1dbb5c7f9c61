/** The routes of logging in, for those who have no token yet; part of the table in routes.ts. */
import type { Route } from "./routes.ts";

/** Ways to log in: by a token that one has, by a provider that shows a code, by a request to AWS that is signed. */
export const LOGIN_WAYS = ["token", "oidc", "github", "aws"] as const;
export type LoginKind = (typeof LOGIN_WAYS)[number];

export const loginRoutes = {
  listLogins: {
    method: "GET",
    path: "/v1/logins",
    public: true,
    status: 200,
    summary: "The ways to log in to this server",
    errors: [],
  },
  beginLogin: {
    method: "POST",
    path: "/v1/logins",
    public: true,
    status: 200,
    summary: "Begin a login: for a person with a code, or for a request that is to be signed",
    errors: ["too_many_logins"],
  },
  finishLogin: {
    method: "POST",
    path: "/v1/logins/finish",
    public: true,
    status: 200,
    summary: "Ask whether the person has logged in, or hand in what was signed; the answer has the token",
    errors: ["login_over", "name_taken"],
  },
} as const satisfies Record<string, Route>;
