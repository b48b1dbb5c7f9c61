/** One binder for the whole table of routes: token, then input against the schemas, then the handler. */
import type { IncomingMessage } from "node:http";
import type { Context, Hono } from "hono";
import type * as z from "zod";
import { PART_BYTES } from "../api/builds.ts";
import { contract } from "../api/contract.ts";
import type { Problem } from "../api/errors.ts";
import { creates, type Route, type RouteName, routes, takesIfMatch } from "../api/routes.ts";
import { noQuery } from "../api/schemas.ts";
import type { Core } from "../core/core.ts";
import { unknownDisk } from "../core/disks/find.ts";
import { unknownNode } from "../core/gpus/nodes.ts";
import { unknownBuild } from "../core/images/builds.ts";
import { unknownRegistry } from "../core/images/registry-logins.ts";
import { unknownIdentity } from "../core/logins/link.ts";
import { authenticate, type Caller, requireGate } from "../core/people/access.ts";
import { unknownUser } from "../core/people/find-user.ts";
import { notFound } from "../core/people/ownership.ts";
import { unknownToken } from "../core/people/token-list.ts";
import { unknownTeam } from "../core/teams.ts";
import type { Versions } from "../core/versions.ts";
import { EVENTS, JSON_TYPE, requireAccepted, wantsEvents } from "./accept.ts";
import { bearerToken } from "./auth.ts";
import { readJson, readPart } from "./body.ts";
import type { Given, Handlers, PrivateRoute, PublicHandlers, Reply } from "./handler.ts";
import { readIdempotency } from "./idempotency.ts";
import { etagOf, readIfMatch, refuseIfMatch } from "./if-match.ts";
import type { RateLimits } from "./rate-limits.ts";
import type { StreamRoute, Streams } from "./streams.ts";
import { type Checked, check, inputProblem, readQuery } from "./validate.ts";

/** What the request's log line carries beside the request id. */
export interface AppEnv {
  /** What a request comes with when it came through a port. */
  Bindings: { incoming?: IncomingMessage };
  Variables: { requestId: string; userId?: string; reservationId?: string; remoteAddress?: string };
}

interface Shape {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly reply: z.ZodType;
}

type AnyHandler = (given: Given<RouteName>) => Promise<Reply<RouteName>>;

/** Binds every route that needs a token. */
export function bindRoutes(app: Hono<AppEnv>, handlers: Handlers, parts: Parts): void {
  for (const name of Object.keys(handlers) as PrivateRoute[]) {
    const route: Route = routes[name];
    // Sound by the type of Handlers: the handler of a name takes what the contract of that name parses to.
    const handler = handlers[name] as unknown as AnyHandler;
    app.on(route.method, honoPath(route.path), (c) => serve(c, parts, name, route, handler));
  }
}

/** Binds the routes of those who have no token yet. */
export function bindPublic(
  app: Hono<AppEnv>,
  handlers: PublicHandlers,
  { core, limits }: Pick<Parts, "core" | "limits">,
): void {
  for (const name of Object.keys(handlers) as (keyof PublicHandlers)[]) {
    const route: Route = routes[name];
    const handler = handlers[name] as unknown as (given: object) => Promise<Reply<RouteName>>;
    app.on(route.method, honoPath(route.path), async (c) => {
      requireAccepted(c.req.header("accept"), [JSON_TYPE]);
      const input = await readInput(c, contract[name], route);
      const reply = await handler({ core, limits, address: c.get("remoteAddress"), ...input });
      return answer(c, reply.body, route.status);
    });
  }
}

/** The contract writes `{id}`, hono `:id`. */
export const honoPath = (path: string): string => path.replaceAll("{", ":").replaceAll("}", "");

interface Parts {
  readonly core: Core;
  readonly streams: Streams;
  readonly limits: RateLimits;
}

async function serve(
  c: Context<AppEnv>,
  parts: Parts,
  name: RouteName,
  route: Route,
  handler: AnyHandler,
): Promise<Response> {
  const { core, streams } = parts;
  const caller = await logIn(c, parts.limits, core);
  requireGate(caller, route);
  const accept = c.req.header("accept");
  requireAccepted(accept, route.stream ? [JSON_TYPE, EVENTS] : [JSON_TYPE]);
  const shape: Shape = contract[name];
  const params = readParams(c, shape, route);
  const { query, body } = await readInput(c, shape, route);
  const idempotency = creates(route) ? readIdempotency(c.req.raw, c.req.path, body) : undefined;
  const at = readVersions(c, route);
  const given = { core, caller, params, query, body, idempotency, at } as Given<RouteName>;
  if (route.stream && wantsEvents(accept)) return stream(c, streams, name as StreamRoute, given);
  const reply = await handler(given);
  if (reply.reservationId !== undefined) c.set("reservationId", reply.reservationId);
  if (reply.replayed) c.header("idempotency-replayed", "true");
  if (route.versioned) c.header("etag", etagOf((reply.body as { version: number }).version));
  return answer(c, reply.body, route.status);
}

/** Who calls, within the limits of who may ask how often. Throws Problem not_logged_in, rate_limited. */
export async function logIn(c: Context<AppEnv>, limits: RateLimits, core: Core): Promise<Caller> {
  const token = bearerToken(c.req.header("authorization"));
  const caller = await limits.login(token, c.get("remoteAddress"), () => authenticate(core, token));
  c.set("userId", caller.id);
  return caller;
}

/** With its length, by which it is known whether compressing it is worth it. */
function answer(c: Context<AppEnv>, body: unknown, status: Route["status"]): Response {
  const text = JSON.stringify(body);
  c.header("content-type", JSON_TYPE);
  c.header("content-length", String(Buffer.byteLength(text)));
  return c.body(text, status as 200);
}

function readVersions(c: Context<AppEnv>, route: Route): Versions {
  const header = c.req.header("if-match");
  if (takesIfMatch(route)) return readIfMatch(header);
  // Passed over, it would be taken for heard.
  if (header !== undefined && route.method !== "GET") refuseIfMatch();
  return undefined;
}

/** HEAD gets the headers of a stream; nobody would ever read its body. */
async function stream(
  c: Context<AppEnv>,
  streams: Streams,
  name: StreamRoute,
  given: Given<RouteName>,
): Promise<Response> {
  const token = bearerToken(c.req.header("authorization"));
  const lastEventId = c.req.header("last-event-id");
  const { headers, body } = await streams.open(name, given, { token, lastEventId });
  for (const [header, value] of headers) c.header(header, value);
  if (body && c.req.raw.method !== "HEAD") return c.body(body);
  await body?.cancel();
  return c.body(null);
}

/** A path that can name nothing names nothing: an impossible id is as unknown as a possible one. */
function readParams(c: Context<AppEnv>, shape: Shape, route: Route): unknown {
  if (!shape.params) return undefined;
  const kind = route.path.split("/")[2] ?? "";
  const { value, errors } = check(shape.params, c.req.param(), "query");
  if (!value || errors.length > 0) throw (UNKNOWN[kind] ?? notFound)(Object.values(c.req.param()).join("/"));
  if (typeof value.id === "string" && kind === "reservations") c.set("reservationId", value.id);
  return value;
}

/** What is said of an id that names nothing, by the part of the path before it. */
const UNKNOWN: Readonly<Record<string, (id: string) => Problem>> = {
  builds: unknownBuild,
  disks: unknownDisk,
  "disk-operations": unknownDisk,
  identities: unknownIdentity,
  nodes: unknownNode,
  registries: unknownRegistry,
  teams: unknownTeam,
  tokens: unknownToken,
  users: unknownUser,
};

async function readInput(c: Context<AppEnv>, shape: Shape, route: Route) {
  const { values, errors } = readQuery(c.req.url);
  const checked = check(shape.query ?? noQuery, values, "query");
  const query: Checked<unknown> = { ...checked, errors: [...errors, ...checked.errors] };
  const parts = route.method === "GET" ? [query] : [query, await readBody(c, shape, route)];
  const problem = inputProblem(parts);
  if (problem) throw problem;
  return { query: shape.query && query.value, body: shape.body && parts[1]?.value };
}

/** A route without a body takes none, or an empty object. */
async function readBody(c: Context<AppEnv>, shape: Shape, route: Route): Promise<Checked<unknown>> {
  if (shape.body && route.bytes !== undefined)
    return check(shape.body, await readPart(c.req.raw, route.bytes, PART_BYTES), "body");
  const json = await readJson(c.req.raw);
  return shape.body ? check(shape.body, json, "body") : check(noQuery, json ?? {}, "body");
}
