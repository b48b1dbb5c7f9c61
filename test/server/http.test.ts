/** What surrounds the handlers: errors, headers, limits, health. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { type Route, routes } from "../../src/api/routes.ts";
import type { Core } from "../../src/core/core.ts";
import { type ApiRig, engineNamed, openRig, type Person, problemOf } from "./rig.ts";

let rig: ApiRig;
let alice: Person;
beforeEach(async () => {
  rig = await openRig(engineNamed("sqlite"));
  alice = await rig.person("alice");
});
afterEach(() => rig.close());

const table: Route[] = Object.values(routes);
const json = { "content-type": "application/json" };
const post = (path: string, body: string, headers: Record<string, string> = json) =>
  rig.request(alice, path, { method: "POST", body, headers });

test("A-03 unknown routes are 404 with a code of their own", async () => {
  for (const path of ["/", "/v1", "/v1/nope", "/v1/reservations/", "/v2/me", "/v1/Me", "/%ff", "//v1/me"])
    expect(await problemOf(await rig.request(alice, path, {}))).toMatchObject({
      status: 404,
      code: "unknown_route",
    });
});

test("A-03 a wrong method is 405 and tells the right ones", async () => {
  const paths = new Set(table.map((r) => r.path));
  for (const path of [...paths, "/openapi.json"])
    for (const method of ["PUT", "DELETE", "OPTIONS", "TRACE-ISH"]) {
      if (table.some((r) => r.path === path && r.method === method)) continue;
      const response = await rig.request(alice, path.replace("{id}", "x"), { method });
      expect(await problemOf(response)).toMatchObject({ status: 405, code: "method_not_allowed" });
      expect(response.headers.get("allow")).toMatch(/GET, HEAD|POST|PATCH|DELETE/);
    }
  const { headers } = await rig.request(alice, "/v1/reservations", { method: "DELETE" });
  expect(headers.get("allow")).toBe("GET, POST, HEAD");
});

test("A-03 bodies that cannot be read have their own codes", async () => {
  expect((await problemOf(await post("/v1/reservations", "{"))).code).toBe("malformed_json");
  expect((await problemOf(await post("/v1/keys", "{}", { "content-type": "text/plain" }))).code).toBe(
    "unsupported_media_type",
  );
  expect((await problemOf(await post("/v1/keys", `"${"x".repeat(70_000)}"`))).code).toBe("body_too_large");
  expect(await problemOf(await post("/v1/reservations", ""))).toMatchObject({
    code: "invalid_input",
    errors: [{ field: "body", code: "required" }],
  });
});

test("A-03 A-05 fields of the query and of the body are named together", async () => {
  const response = await post("/v1/reservations?dry_run=1", '{"duration_s":-1,"gpus":2}');
  const problem = await problemOf(response);
  expect(problem.code).toBe("invalid_input");
  expect(problem.errors?.map((e) => `${e.field} ${e.code}`).sort()).toEqual([
    "dry_run unknown",
    "duration_s too_small",
    "gpu_type required",
    "gpus unknown",
  ]);
});

test("A-05 unknown and repeated query parameters are refused on every route", async () => {
  const root = await rig.person("root", "admin");
  for (const route of table.filter((r) => r.method === "GET" && !r.public && !r.path.includes("{"))) {
    const who = route.admin ? root : alice;
    expect((await problemOf(await rig.request(who, `${route.path}?nope=1`, {}))).errors).toEqual([
      { field: "nope", code: "unknown", detail: "is not known here" },
    ]);
  }
  const repeated = await rig.request(alice, "/v1/reservations?limit=5&limit=6", {});
  expect((await problemOf(repeated)).errors?.[0]).toMatchObject({ field: "limit", code: "repeated" });
});

test("A-05 a route without a body takes none, or an empty object", async () => {
  const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
  const cancel = (body: string) => post(`/v1/reservations/${id}/cancel`, body);
  expect((await problemOf(await cancel('{"force":true}'))).errors?.[0]).toMatchObject({ field: "force" });
  expect((await alice.api.getReservation({ params: { id } })).state).not.toBe("ending");
  expect((await cancel("{}")).status).toBe(200);
  expect((await cancel("")).status).toBe(200);
});

test("X-07 a long URL is 414", async () => {
  const response = await rig.request(alice, `/v1/reservations?name=${"x".repeat(5000)}`, {});
  expect(await problemOf(response)).toMatchObject({ status: 414, code: "uri_too_long" });
});

test("A-03 request ids: a sane one is kept, another is replaced, and every answer has one", async () => {
  const id = async (given: string, path = "/v1/me") =>
    (await rig.request(alice, path, { headers: { "x-request-id": given } })).headers.get("x-request-id");
  expect(await id("abc-123_X")).toBe("abc-123_X");
  expect(await id("abc-123", "/nope")).toBe("abc-123");
  for (const bad of ["a b", "x".repeat(300), "<script>"]) expect(await id(bad)).toMatch(/^[0-9a-f-]{36}$/);
});

test("A-19 every answer carries the server's version, and is not stored or sniffed", async () => {
  for (const path of ["/v1/me", "/nope", "/healthz"]) {
    const { headers } = await rig.request(alice, path, {});
    expect(headers.get("gpu-dev-server")).toBe("1.2.3-test");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
  }
});

test("A-09 HEAD answers wherever GET does, with its status and headers and no body", async () => {
  const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
  for (const { path } of table.filter((r) => r.method === "GET")) {
    const url = path.replace("{id}", id);
    const get = await rig.request(alice, url, {});
    const head = await rig.request(alice, url, { method: "HEAD" });
    expect(head.status).toBe(get.status);
    expect(head.headers.get("content-type")).toBe(get.headers.get("content-type"));
    expect(await head.text()).toBe("");
  }
  expect((await rig.request(alice, "/nope", { method: "HEAD" })).status).toBe(404);
});

/** The same API over a store whose reads end like this. */
const broken = (error: unknown): Core => ({
  ...rig.core,
  store: { ...rig.core.store, read: () => Promise.reject(error) },
});

test("A-03 A-04 a crash is a 500 that tells nothing; the log has it under the request id", async () => {
  const app = rig.appOn(broken(new Error("near select secret_column from users: /srv/db.ts:12")));
  const response = await app.request("/v1/me", { headers: { authorization: `Bearer ${alice.token}` } });
  const text = await response.clone().text();
  const problem = await problemOf(response);
  expect(problem).toMatchObject({ status: 500, code: "internal", retryable: false });
  expect(text).not.toMatch(/secret_column|db\.ts|select/);
  const line = rig.log.find((l) => l.includes(problem.request_id ?? "?"));
  expect(line).toContain("secret_column");
});

test("D-09 a database that cannot be asked is a 503 with Retry-After, never a 500", async () => {
  const cause = new Error("database is locked: /srv/gpu-dev.db");
  const app = rig.appOn(
    broken(new Problem("unavailable", "the database does not answer", { retryAfter: 0.4, cause })),
  );
  const response = await app.request("/v1/me", { headers: { authorization: `Bearer ${alice.token}` } });
  expect(await problemOf(response)).toMatchObject({ status: 503, code: "unavailable", retryable: true });
  expect(response.headers.get("retry-after")).toBe("1");
  expect(rig.log.find((l) => l.includes('"status":503'))).toContain("database is locked");
});

test("O-05 live is told from ready, and the failing part is named", async () => {
  expect(await (await rig.app.request("/readyz")).json()).toEqual({
    status: "ok",
    checks: { database: "ok", driver: "ok" },
    services: {},
  });
  rig.failDriver();
  const response = await rig.appOn(rig.core).request("/readyz");
  expect(await problemOf(response)).toMatchObject({
    status: 503,
    code: "unavailable",
    detail: "not ready: driver failing",
    errors: [{ field: "driver", code: "failing" }],
  });
  expect((await rig.app.request("/healthz")).status).toBe(200);
});

test("L-17 while the server shuts down, new requests are refused with draining, and it is still live", async () => {
  rig.drain();
  const response = await rig.request(alice, "/v1/me", {});
  expect(await problemOf(response)).toMatchObject({ status: 503, code: "draining", retryable: true });
  expect(response.headers.get("retry-after")).toBe("2");
  expect((await rig.app.request("/readyz")).status).toBe(503);
  expect((await rig.app.request("/healthz")).status).toBe(200);
});

test("A-14 the OpenAPI document names every route and needs no token", async () => {
  const response = await rig.app.request("/openapi.json");
  expect(response.headers.get("content-type")).toBe("application/json");
  const { openapi, paths } = (await response.json()) as { openapi: string; paths: Record<string, object> };
  expect(openapi).toBe("3.1.0");
  for (const { path, method } of table) expect(paths[path]).toHaveProperty(method.toLowerCase());
});

test("the tunnel's address tells plain HTTP what it wants", async () => {
  expect(await problemOf(await rig.request(alice, "/v1/tunnel/x", {}))).toMatchObject({
    status: 400,
    detail: "this address speaks WebSocket only",
  });
});
