/** The typed client: one method for each route of the table. It carries no transport of its own: `fetch` is a parameter. */
import type { RouteTypes } from "./contract.ts";
import { isErrorCode, Problem, type ProblemDocument } from "./errors.ts";
import { type Route, type RouteName, routes } from "./routes.ts";

/** The part of `fetch` that the client uses; the built-in one, undici's, hono's `app.request` and the CLI's light one all fit. */
export type Fetch = (
  url: string,
  init: { method: string; headers: Record<string, string>; body?: string | Uint8Array; signal?: AbortSignal },
) => Promise<{ status: number; headers: { get(name: string): string | null }; text(): Promise<string> }>;

export interface ClientOptions {
  /** Base URL of the server, without a trailing slash. */
  readonly url: string;
  readonly token: string | undefined;
  readonly fetch: Fetch;
  /** Sent as `Gpu-Dev-Cli`. */
  readonly version: string;
}

interface CallOptions {
  readonly idempotencyKey?: string;
  readonly signal?: AbortSignal;
}

/** Only what a route takes has to be given. */
type Given<R extends RouteName> = {
  readonly [K in "params" | "query" | "body" as RouteTypes<R>[K] extends undefined
    ? never
    : K]: RouteTypes<R>[K];
} & CallOptions;

export type Client = {
  readonly [R in RouteName]: (given: Given<R>) => Promise<RouteTypes<R>["reply"]>;
};

/** A reply that is not of the contract: a proxy's page, a cut body (C-27). */
export class BadReply extends Error {
  readonly status: number;
  constructor(status: number, detail: string) {
    super(detail);
    this.name = "BadReply";
    this.status = status;
  }
}

/** A refused request, as the server told it; the code may be one that this version does not know. */
export class RefusedRequest extends Error {
  readonly problem: ProblemDocument;
  readonly retryAfter: number | undefined;
  constructor(problem: ProblemDocument, retryAfter: number | undefined) {
    super(problem.detail);
    this.name = "RefusedRequest";
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** A client for `options.url`. Throws RefusedRequest for problems, BadReply for foreign replies, and what `fetch` throws. */
export function createClient(options: ClientOptions): Client {
  const methods = Object.entries(routes).map(([name, route]) => [
    name,
    (
      given: {
        params?: Record<string, string>;
        query?: Record<string, unknown>;
        body?: unknown;
      } & CallOptions,
    ) => call(options, route, given),
  ]);
  return Object.fromEntries(methods) as Client;
}

async function call(
  options: ClientOptions,
  route: Route,
  given: { params?: Record<string, string>; query?: Record<string, unknown>; body?: unknown } & CallOptions,
): Promise<unknown> {
  const response = await options.fetch(options.url + target(route.path, given), {
    method: route.method,
    headers: headers(options, route, given),
    ...(given.body === undefined ? {} : { body: bodyOf(given.body) }),
    ...(given.signal ? { signal: given.signal } : {}),
  });
  return readReply(response.status, response.headers, await response.text());
}

function target(
  path: string,
  given: { params?: Record<string, string>; query?: Record<string, unknown> },
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, key: string) =>
    encodeURIComponent(given.params?.[key] ?? ""),
  );
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(given.query ?? {}))
    if (value !== undefined) query.set(key, String(value));
  return query.size === 0 ? filled : `${filled}?${query}`;
}

const bodyOf = (body: unknown): string | Uint8Array =>
  body instanceof Uint8Array ? body : JSON.stringify(body);

function headers(
  options: ClientOptions,
  route: Route,
  given: { body?: unknown } & CallOptions,
): Record<string, string> {
  return {
    accept: "application/json",
    "gpu-dev-cli": options.version,
    ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
    ...(given.body === undefined ? {} : { "content-type": route.bytes ?? "application/json" }),
    ...(given.idempotencyKey === undefined ? {} : { "idempotency-key": given.idempotencyKey }),
  };
}

function readReply(status: number, head: { get(name: string): string | null }, text: string): unknown {
  const type = head.get("content-type") ?? "";
  const json = /^application\/(problem\+)?json\b/.test(type) ? parse(text) : undefined;
  if (json === undefined) throw new BadReply(status, `the answer (HTTP ${status}) is not JSON of this API`);
  if (status >= 200 && status < 300) return json;
  // Readiness answers 503 with its own document, which names the failing part.
  if (isProblem(json)) throw new RefusedRequest(json, seconds(head.get("retry-after")));
  throw new BadReply(status, `the answer (HTTP ${status}) is not a problem document of this API`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function isProblem(json: unknown): json is ProblemDocument {
  return typeof json === "object" && json !== null && "code" in json && "detail" in json;
}

function seconds(header: string | null): number | undefined {
  const n = header === null ? Number.NaN : Number(header);
  return Number.isFinite(n) && n >= 0 ? n : undefined;
}

/** A refusal whose code is known as the Problem that the server threw; undefined for a code from a newer server. */
export function asProblem(refused: RefusedRequest): Problem | undefined {
  const { code, detail, hint, errors } = refused.problem;
  return isErrorCode(code)
    ? new Problem(code, detail, { hint, errors, retryAfter: refused.retryAfter })
    : undefined;
}
