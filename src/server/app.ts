/** The API as a function from Request to Response, so that tests need no port. */
import { type Context, Hono } from "hono";
import { compress } from "hono/compress";
import { requestId } from "hono/request-id";
import type { Logger } from "pino";
import type { OutsideService } from "../api/breaker.ts";
import { Problem } from "../api/errors.ts";
import { openapi } from "../api/openapi.ts";
import { type Route, routes } from "../api/routes.ts";
import type { Health } from "../api/schemas.ts";
import { compareVersions, isVersion, MIN_CLI } from "../api/versions.ts";
import { servedFor } from "../core/audit/origin.ts";
import type { Core } from "../core/core.ts";
import { requireMetrics } from "../core/people/access.ts";
import { JSON_TYPE, requireAccepted } from "./accept.ts";
import { type AppEnv, bindPublic, bindRoutes, honoPath, logIn } from "./bind.ts";
import type { ClientAddress } from "./client-address.ts";
import { crossOrigin } from "./cross-origin.ts";
import { account } from "./handlers/account.ts";
import { accounts } from "./handlers/accounts.ts";
import { createDeploymentHandlers } from "./handlers/deployment.ts";
import { disks } from "./handlers/disks.ts";
import { identities } from "./handlers/identities.ts";
import { images } from "./handlers/images.ts";
import { inventory } from "./handlers/inventory.ts";
import { logins } from "./handlers/logins.ts";
import { operator } from "./handlers/operator.ts";
import { quotas } from "./handlers/quotas.ts";
import { reservations } from "./handlers/reservations.ts";
import type { Metrics } from "./metrics.ts";
import { problemHeaders, toProblem } from "./problems.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { Streams } from "./streams.ts";

/** Characters of the whole URL; the longest that the contract can need is a cursor of 512. */
const URL_LIMIT = 4096;

const METRICS = "/metrics";

/** Bytes from which an answer is compressed: below, it fits into a few packets anyway. */
const COMPRESSED_FROM = 8192;

export interface AppDeps {
  readonly core: Core;
  readonly streams: Streams;
  readonly logger: Logger;
  readonly deploymentId: string;
  readonly version: string;
  /** True from the moment of shutdown: new requests are refused with `draining`. */
  readonly draining: () => boolean;
  readonly ready: () => Promise<Health>;
  readonly metrics: Metrics;
  readonly clientAddress: ClientAddress;
  readonly limits: RateLimits;
  /** Origins of pages that may read the answers. */
  readonly corsOrigins: () => readonly string[];
  /** False in a process without that role: it says how it is, and nothing else. Default: true. */
  readonly api?: boolean;
  /** True where /metrics asks for no token: at a listener of its own. */
  readonly openMetrics?: boolean;
}

/** All of the API; never throws, and answers every error as a problem document. */
export function createApp(deps: AppDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>();
  app.use(requestId());
  app.use(crossOrigin(deps.corsOrigins));
  app.use(compress({ threshold: COMPRESSED_FROM, contentTypeFilter: /^(?:application\/json|text\/plain)/ }));
  app.use((c, next) => around(deps, c, next));
  app.onError((error, c) => {
    const problem = toProblem(error);
    deps.core.refusals.note(problem, `${c.req.method} ${c.req.path}`, c.get("userId"));
    return answerProblem(c, problem);
  });
  app.notFound((c) => answerProblem(c, unknownRoute(c, deps)));
  bindHealth(app, deps);
  bindMetrics(app, deps);
  if (deps.api ?? true) {
    bindApi(app, deps);
    refuseOtherMethods(app);
  }
  return app;
}

function bindApi(app: Hono<AppEnv>, deps: AppDeps): void {
  const document = JSON.stringify(openapi(deps.version));
  app.get("/openapi.json", (c) => {
    requireAccepted(c.req.header("accept"), [JSON_TYPE]);
    return c.body(document, 200, { "content-type": JSON_TYPE });
  });
  const handlers = {
    ...reservations,
    ...inventory,
    ...account,
    ...accounts,
    ...identities,
    ...disks,
    ...images,
    ...operator,
    ...quotas,
    ...createDeploymentHandlers({ id: deps.deploymentId, version: deps.version }),
  };
  bindRoutes(app, handlers, deps);
  bindPublic(app, logins, deps);
  app.get("/v1/tunnel/:reservation", () => {
    throw new Problem("invalid_input", "this address speaks WebSocket only", {
      hint: "connect with `gpu-dev connect`, or upgrade with the subprotocol gpu-dev.tunnel.v1",
    });
  });
}

/** Around every request: the headers of every answer, the refusals that need no route, and one line of log. */
async function around(deps: AppDeps, c: Context<AppEnv>, next: () => Promise<void>): Promise<void> {
  const { core, logger, metrics } = deps;
  const started = performance.now();
  c.header("gpu-dev-server", deps.version);
  c.header("cache-control", "no-store");
  c.header("x-content-type-options", "nosniff");
  const incoming = c.env?.incoming;
  if (incoming) c.set("remoteAddress", deps.clientAddress(incoming));
  await servedFor({ address: c.get("remoteAddress"), requestId: c.get("requestId") }, () =>
    core.trace(spanName(c), { request_id: c.get("requestId"), "url.path": c.req.path }, async (tell) => {
      const refusal = early(deps, c);
      if (refusal) c.res = answerProblem(c, refusal);
      else await next();
      tell({
        "http.request.method": c.req.method,
        "http.response.status_code": c.res.status,
        reservation_id: c.get("reservationId"),
        user_id: c.get("userId"),
      });
    }),
  );
  const took = performance.now() - started;
  metrics.request(c.res.status, took);
  logRequest(logger, c, took);
}

/** One for each kind of thing, not for each thing: "GET /v1/reservations". */
const spanName = ({ req }: Context<AppEnv>): string =>
  `${req.method} ${req.path.split("/").slice(0, 3).join("/")}`;

function early(deps: AppDeps, c: Context<AppEnv>): Problem | undefined {
  if (c.req.url.length > URL_LIMIT)
    return new Problem("uri_too_long", `the URL is longer than ${URL_LIMIT} characters`);
  if (deps.draining() && c.req.path !== routes.getHealth.path)
    return new Problem("draining", "the server is shutting down", { retryAfter: 2 });
  if (c.req.path === routes.getHealth.path) return undefined;
  return deps.limits.request(c.get("remoteAddress")) ?? tooOld(c.req.path, c.req.header("gpu-dev-cli"));
}

/** Who does not say what it is, is no command line. */
function tooOld(path: string, cli: string | undefined): Problem | undefined {
  if (!path.startsWith("/v1/") || cli === undefined || !isVersion(cli)) return undefined;
  if (compareVersions(cli, MIN_CLI) >= 0) return undefined;
  return new Problem("cli_too_old", `this server needs gpu-dev ${MIN_CLI} or newer, and yours is ${cli}`, {
    hint: "upgrade gpu-dev here; nothing was done",
  });
}

function answerProblem(c: Context<AppEnv>, problem: Problem): Response {
  for (const [name, value] of Object.entries(problemHeaders(problem))) c.header(name, value);
  c.error ??= problem;
  return c.body(JSON.stringify(problem.document(c.get("requestId"))), problem.status as 400);
}

const unknownRoute = (c: Context<AppEnv>, { api = true }: AppDeps): Problem =>
  new Problem("unknown_route", `there is no ${c.req.path}`, {
    hint: api ? "/openapi.json lists what there is" : "this process has no api role; another one answers",
  });

function bindHealth(app: Hono<AppEnv>, deps: AppDeps): void {
  app.get(routes.getHealth.path, (c) => {
    requireAccepted(c.req.header("accept"), [JSON_TYPE]);
    return c.json({ status: "ok", checks: {} } satisfies Health);
  });
  app.get(routes.getReady.path, async (c) => {
    requireAccepted(c.req.header("accept"), [JSON_TYPE]);
    return c.json(whenReady(await deps.ready(), deps.core));
  });
}

/** Not of the table of routes, since it is no JSON; for administrators, and for whom they give a token. */
function bindMetrics(app: Hono<AppEnv>, { core, metrics, limits, openMetrics = false }: AppDeps): void {
  app.get(METRICS, async (c) => {
    if (!openMetrics) requireMetrics(await logIn(c, limits, core));
    requireAccepted(c.req.header("accept"), ["text/plain"]);
    return c.body(await metrics.page(), 200, { "content-type": metrics.contentType });
  });
}

/** The answer of readiness, or the problem that names the failing parts. */
function whenReady(health: Health, { services }: Core): Health {
  if (health.status === "ok") return { ...health, services: Object.fromEntries(services.map(upOrDown)) };
  const parts = Object.keys(health.checks).filter((part) => health.checks[part] !== "ok");
  throw new Problem("unavailable", `not ready: ${parts.join(" and ")} failing`, {
    errors: parts.map((field) => ({ field, code: "failing", detail: "does not answer as it should" })),
    retryAfter: 1,
  });
}

const upOrDown = (service: OutsideService): [string, "ok" | "down"] => [
  service.name,
  service.state().down ? "down" : "ok",
];

/** A known path with another method: 405 with what it does take. Comes after all routes, so that those win. */
function refuseOtherMethods(app: Hono<AppEnv>): void {
  for (const [path, methods] of allowed()) {
    app.all(honoPath(path), (c) => {
      c.header("allow", methods);
      throw new Problem("method_not_allowed", `${c.req.path} takes ${methods}, not ${c.req.method}`);
    });
  }
}

function allowed(): Map<string, string> {
  const all: Pick<Route, "path" | "method">[] = Object.values(routes);
  const others = ["/openapi.json", METRICS].map((path) => ({ path, method: "GET" }) as const);
  const table = [...all, ...others];
  const byPath = Map.groupBy(table, (route) => route.path);
  const methods = [...byPath].map(([path, of]) => {
    const names: string[] = of.map((route) => route.method);
    return [path, (names.includes("GET") ? [...names, "HEAD"] : names).join(", ")] as const;
  });
  return new Map([...methods, ["/v1/tunnel/{reservation}", "GET"]]);
}

/** The path without its query, and no header: nothing of a request's line can hold a secret (O-04, T-07). */
function logRequest(logger: Logger, c: Context<AppEnv>, took: number): void {
  const { status } = c.res;
  const fields = {
    request_id: c.get("requestId"),
    method: c.req.method,
    path: c.req.path,
    status,
    took_ms: Math.round(took * 10) / 10,
    remote_address: c.get("remoteAddress"),
    user_id: c.get("userId"),
    reservation_id: c.get("reservationId"),
    ...(status >= 500 && c.error ? { err: c.error } : {}),
  };
  // What was changed is in the audit trail; a line for every question asked would bury what matters.
  logger[status >= 500 ? "error" : "debug"](fields, "request");
}
