/** The shape of a handler: parsed input, one call of the rules, answer. All else lies around it (bind.ts). */
import type * as z from "zod";
import type { contract } from "../api/contract.ts";
import type { loginRoutes } from "../api/login-routes.ts";
import type { RouteName, routes } from "../api/routes.ts";
import type { Core } from "../core/core.ts";
import type { Idempotency } from "../core/idempotency.ts";
import type { Caller } from "../core/people/access.ts";
import type { Versions } from "../core/versions.ts";
import type { RateLimits } from "./rate-limits.ts";

type Output<T> = T extends z.ZodType ? z.output<T> : undefined;
type Part<R extends RouteName, K extends string> = K extends keyof (typeof contract)[R]
  ? Output<(typeof contract)[R][K]>
  : undefined;

/** The routes that need a token; those without one (health) are answered from app.ts or without a caller. */
export type PrivateRoute = {
  [R in RouteName]: (typeof routes)[R] extends { public: true } ? never : R;
}[RouteName];

export interface Given<R extends RouteName> {
  readonly core: Core;
  readonly caller: Caller;
  readonly params: Part<R, "params">;
  readonly query: Part<R, "query">;
  readonly body: Part<R, "body">;
  readonly idempotency: Idempotency | undefined;
  /** The versions that If-Match names. */
  readonly at: Versions;
}

export interface Reply<R extends RouteName> {
  readonly body: z.output<(typeof contract)[R]["reply"]>;
  /** True when an Idempotency-Key brought back an earlier answer. */
  readonly replayed?: boolean;
  /** For the log, when it is not in the path. */
  readonly reservationId?: string;
}

type Handler<R extends RouteName> = (given: Given<R>) => Promise<Reply<R>>;
/** Those for whom has no token yet. */
type PublicRoute = keyof typeof loginRoutes;
interface FromAnybody {
  readonly limits: RateLimits;
  /** Where the request comes from. */
  readonly address: string | undefined;
}
type PublicHandler<R extends RouteName> = (
  given: Omit<Given<R>, "caller" | "idempotency"> & FromAnybody,
) => Promise<Reply<R>>;
export type PublicHandlers = { readonly [R in PublicRoute]: PublicHandler<R> };
export type Handlers = { readonly [R in PrivateRoute]: Handler<R> };
