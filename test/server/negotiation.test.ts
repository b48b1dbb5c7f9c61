/** What is agreed on in headers: media types, compression, pages of other origins. */
import { gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Route, routes } from "../../src/api/routes.ts";
import { type ApiRig, engineNamed, openRig, type Person, problemOf } from "./rig.ts";

let rig: ApiRig;
let alice: Person;
beforeEach(async () => {
  rig = await openRig(engineNamed("sqlite"));
  alice = await rig.person("alice", "admin");
});
afterEach(() => rig.close());

const ORIGIN = "https://dash.example.org";
const table: Route[] = Object.values(routes);

test("A-09 an Accept that takes no JSON is 406 on every route, and nothing is done", async () => {
  const paths = [
    ...table.map(({ method, path }) => [method, path] as const),
    ["GET", "/openapi.json"],
    ["GET", "/metrics"],
  ];
  for (const [method = "", path = ""] of paths) {
    const response = await rig.request(alice, path.replace(/\{\w+\}/, "a2345672345672345672"), {
      method,
      headers: { accept: "text/html", "content-type": "application/json" },
      ...(method === "GET" ? {} : { body: "{}" }),
    });
    expect(await problemOf(response), path).toMatchObject({ status: 406, code: "not_acceptable" });
  }
  const body = JSON.stringify({ gpu_type: "h100", duration_s: 3600 });
  const headers = { accept: "text/event-stream", "content-type": "application/json" };
  expect((await rig.request(alice, "/v1/reservations", { method: "POST", headers, body })).status).toBe(406);
  expect((await alice.api.listReservations({ query: {} })).items).toEqual([]);
});

test("A-09 a page of a configured origin may ask and read", async () => {
  Object.assign(rig, { corsOrigins: [ORIGIN, "http://localhost:3000"] });
  const preflight = await rig.app.request("/v1/reservations", {
    method: "OPTIONS",
    headers: {
      origin: ORIGIN,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,content-type,idempotency-key",
    },
  });
  expect(preflight.status).toBe(204);
  const allowed = (name: string) => preflight.headers.get(`access-control-allow-${name}`);
  expect(allowed("origin")).toBe(ORIGIN);
  expect(allowed("methods")).toBe("GET,HEAD,POST,PATCH,DELETE");
  expect(allowed("headers")).toContain("Idempotency-Key");
  expect(allowed("credentials")).toBe(null);
  for (const path of ["/v1/me", "/v1/nope", "/v1/reservations?limit=0"]) {
    const { headers } = await rig.request(alice, path, { headers: { origin: ORIGIN } });
    expect(headers.get("access-control-allow-origin")).toBe(ORIGIN);
    expect(headers.get("access-control-expose-headers")).toContain("Retry-After");
    expect(headers.get("vary")).toContain("Origin");
  }
});

test("A-09 a page of any other origin is told nothing", async () => {
  Object.assign(rig, { corsOrigins: [ORIGIN] });
  for (const origin of [
    "https://evil.example",
    "null",
    `${ORIGIN}.evil.example`,
    "http://dash.example.org",
    ORIGIN.toUpperCase(),
  ]) {
    const preflight = await rig.app.request("/v1/me", {
      method: "OPTIONS",
      headers: { origin, "access-control-request-method": "GET" },
    });
    expect(await problemOf(preflight)).toMatchObject({ status: 405, code: "method_not_allowed" });
    const answer = await rig.request(alice, "/v1/me", { headers: { origin } });
    for (const { headers } of [preflight, answer])
      expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
  }
});

test("a large answer is compressed for who takes that; a small one, a stream and a HEAD are not", async () => {
  for (let i = 0; i < 12; i++)
    await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: `box-${i}` } });
  const get = (path: string, headers: Record<string, string>, method = "GET") =>
    rig.request(alice, path, { method, headers: { "accept-encoding": "br, gzip", ...headers } });
  const large = await get("/v1/reservations", {});
  expect(large.headers.get("content-encoding")).toBe("gzip");
  expect(large.headers.get("vary")).toContain("Accept-Encoding");
  const bytes = Buffer.from(await large.arrayBuffer());
  const { items } = JSON.parse(gunzipSync(bytes).toString()) as { items: unknown[] };
  expect(items).toHaveLength(12);
  const plain = await rig.request(alice, "/v1/reservations", {});
  expect(plain.headers.get("content-encoding")).toBe(null);
  expect(Number(plain.headers.get("content-length"))).toBe((await plain.text()).length);
  expect(bytes.length * 4).toBeLessThan(Number(plain.headers.get("content-length")));
  expect((await get("/v1/me", {})).headers.get("content-encoding")).toBe(null);
  expect((await get("/v1/reservations", {}, "HEAD")).headers.get("content-encoding")).toBe(null);
  const stream = await get("/v1/reservations", { accept: "text/event-stream" });
  expect(stream.headers.get("content-encoding")).toBe(null);
  await stream.body?.cancel();
  expect((await get("/openapi.json", {})).headers.get("content-encoding")).toBe("gzip");
});
