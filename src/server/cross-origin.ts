/** Pages of other origins: only those that the configuration names may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol). */
import type { MiddlewareHandler } from "hono";
import { cors } from "hono/cors";
import type { AppEnv } from "./bind.ts";

/** What a page is to see of an answer beside its body. */
const EXPOSED = ["ETag", "Retry-After", "X-Request-Id", "Idempotency-Replayed", "Gpu-Dev-Server"];
const ACCEPTED = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "Last-Event-ID",
  "X-Request-Id",
];
const PREFLIGHT_S = 600;

/** A preflight of any other origin is a method like any other: 405. No cookie is ever used, so that credentials are never allowed. */
export function crossOrigin(origins: () => readonly string[]): MiddlewareHandler<AppEnv> {
  const handle = cors({
    origin: (origin) => origin,
    allowMethods: ["GET", "HEAD", "POST", "PATCH", "DELETE"],
    allowHeaders: ACCEPTED,
    exposeHeaders: EXPOSED,
    maxAge: PREFLIGHT_S,
  });
  return (c, next) => {
    const origin = c.req.header("origin");
    return origin !== undefined && origins().includes(origin) ? handle(c, next) : next();
  };
}
