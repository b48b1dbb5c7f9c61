/** Attempts below HTTP libraries, as bytes: smuggled requests and headers, strange targets, what is oversized, and what never ends. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Listening, listen } from "../../../src/server/listen.ts";
import { isTunnel } from "../../../src/server/tunnels.ts";
import { type ApiRig, engineNamed, openRig, type Person } from "../rig.ts";

let rig: ApiRig;
let alice: Person;
let usual: Listening;
/** Waits for nobody. */
let hasty: Listening;
beforeAll(async () => {
  rig = await openRig(engineNamed("sqlite"));
  alice = await rig.person("alice");
  const options = { host: "127.0.0.1", port: 0, app: rig.app, isTunnel, upgrade: () => undefined };
  usual = await listen(options);
  hasty = await listen({ ...options, patienceMs: 100 });
});
afterAll(async () => {
  await Promise.all([usual.close(), hasty.close()]);
  await rig.close();
});

/** Status and code of each answer to these bytes, until the server closes. */
async function answers(bytes: string, to = usual): Promise<string[]> {
  const socket = connect(Number(new URL(to.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(bytes);
  let text = "";
  socket.setEncoding("latin1").on("data", (data) => {
    text += data;
  });
  // Not `once`, which rejects when a reset comes first: an answer that came before it counts.
  await new Promise((resolve) => socket.on("close", resolve));
  const codes = [...text.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code);
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status], i) =>
    `${status} ${codes[i] ?? ""}`.trim(),
  );
}

const authorization = () => `authorization: Bearer ${alice.token}`;
const head = (line: string, ...headers: string[]) =>
  [line, "host: h", "connection: close", ...headers, "", ""].join("\r\n");
const get = (target: string, ...headers: string[]) =>
  head(`GET ${target} HTTP/1.1`, authorization(), ...headers);
const post = (body: string, ...headers: string[]) =>
  head("POST /v1/keys HTTP/1.1", authorization(), "content-type: application/json", ...headers) + body;
const SECOND = "GET /v1/me HTTP/1.1\r\nhost: h\r\n\r\n";

describe("smuggling", () => {
  test.each<[string, () => string]>([
    [
      "a length and chunks",
      () => post(`0\r\n\r\n${SECOND}`, "content-length: 4", "transfer-encoding: chunked"),
    ],
    [
      "chunks and a length",
      () => post(`0\r\n\r\n${SECOND}`, "transfer-encoding: chunked", "content-length: 4"),
    ],
    ["two lengths", () => post(`{}${SECOND}`, "content-length: 2", "content-length: 40")],
    ["a length with a sign", () => post("{}", "content-length: +2")],
    ["a negative length", () => post("{}", "content-length: -1")],
    ["a length that is no number", () => post("{}", "content-length: 2, 2")],
    ["an encoding that is not known", () => post("0\r\n\r\n", "transfer-encoding: xchunked")],
    [
      "chunks that are not the last encoding",
      () => post("0\r\n\r\n", "transfer-encoding: chunked, identity"),
    ],
    ["a chunk of a strange size", () => post("zz\r\n{}\r\n0\r\n\r\n", "transfer-encoding: chunked")],
    ["a header that goes on in the next line", () => get("/v1/me", "x-a: b\r\n c")],
    ["a space before the colon", () => get("/v1/me", "authorization : x")],
    ["a header without a name", () => get("/v1/me", ": x")],
    ["a lone carriage return", () => get("/v1/me", "x-a: b\rx-admin: 1")],
    ["a NUL in a header", () => get("/v1/me", "x-a: b\0c")],
    ["another version", () => "GET /v1/me HTTP/3.0\r\nhost: h\r\n\r\n"],
    ["a preface of HTTP/2", () => "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["a TLS handshake", () => "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["two hosts in one", () => get("/v1/me").replace("host: h", "host: a b/c@d")],
  ])("X-07 A-03 %s is refused, and nothing behind it is heard", async (_what, bytes) => {
    expect(await answers(bytes())).toEqual(["400 invalid_input"]);
  });

  test.each<[string, string, string]>([
    ["another method's name", "x-http-method-override: DELETE", "200"],
    ["another path", "x-original-url: /v1/users", "200"],
    ["the other another path", "x-rewrite-url: /metrics", "200"],
    ["a role", "x-role: admin", "200"],
  ])("A-02 a header with %s changes nothing", async (_what, header, expected) => {
    expect(await answers(get("/v1/me", header))).toEqual([expected]);
  });
});

test("X-01 a request of HTTP 0.9 is one without a token", async () => {
  expect(await answers("GET /v1/me\r\n\r\n")).toEqual(["401 not_logged_in"]);
});

describe("targets", () => {
  test.each([
    ["//v1/me", "404 unknown_route"],
    ["/v1//me", "404 unknown_route"],
    ["/v1/me/", "404 unknown_route"],
    ["/V1/me", "404 unknown_route"],
    ["/v1/me;admin=1", "404 unknown_route"],
    ["/v1/me%00", "404 unknown_route"],
    ["/v1/me%2f..%2fusers", "404 unknown_route"],
    ["/v1/%252e%252e/users", "404 unknown_route"],
    ["/v1/reservations/..%2f..%2fusers", "404 not_found"],
    ["/v1/me/../users", "403 not_allowed"],
    ["/v1/./nodes", "403 not_allowed"],
    ["/static/../../etc/passwd", "404 unknown_route"],
    ["/v1/reservations?limit=1&limit=2", "400 invalid_input"],
    ["/v1/reservations?__proto__=1", "400 invalid_input"],
    ["/v1/reservations?limit[]=1", "400 invalid_input"],
    ["*", "400 invalid_input"],
  ])("X-03 the target %s is %s", async (target, expected) => {
    expect(await answers(get(target))).toEqual([expected]);
  });

  test.each(["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "PROPFIND"])("A-09 %s is 405", async (method) => {
    expect(await answers(head(`${method} /v1/me HTTP/1.1`, authorization()))).toEqual([
      "405 method_not_allowed",
    ]);
  });
});

describe("what is oversized", () => {
  const long = (size: number) => "a".repeat(size);
  test.each<[string, () => string, string]>([
    ["a URL", () => get(`/v1/reservations?name=${long(5000)}`), "414 uri_too_long"],
    ["a header", () => get("/v1/me", `x-a: ${long(17_000)}`), "431 headers_too_large"],
    [
      "a hundred headers",
      () => get("/v1/me", ...Array.from({ length: 100 }, (_, i) => `x-${i}: ${long(200)}`)),
      "431 headers_too_large",
    ],
    ["a declared body", () => post("{", "content-length: 1000000000"), "413 body_too_large"],
    [
      "a body that grows",
      () => post(`20000\r\n${long(0x20000)}\r\n`, "transfer-encoding: chunked"),
      "413 body_too_large",
    ],
    [
      "a key of idempotency",
      () => post("{}", "content-length: 2", `idempotency-key: ${long(256)}`),
      "400 invalid_input",
    ],
    ["a token", () => head("GET /v1/me HTTP/1.1", `authorization: Bearer ${long(600)}`), "401 not_logged_in"],
    ["a cursor", () => get(`/v1/reservations?cursor=${long(513)}`), "400 invalid_input"],
    ["a number", () => get("/v1/reservations?limit=99999999999999999999"), "400 invalid_input"],
    ["nesting", () => post("[".repeat(60_000), "content-length: 60000"), "400 malformed_json"],
    ["a name of a field", () => post(`{"${long(50_000)}":1}`, "content-length: 50006"), "400 invalid_input"],
  ])("X-07 %s is refused", async (_what, bytes, expected) => {
    expect(await answers(bytes())).toEqual([expected]);
  });
});

describe("what never ends", () => {
  test.each<[string, () => string]>([
    ["a request line", () => "GET /v1/m"],
    ["headers", () => "GET /v1/me HTTP/1.1\r\nhost: h\r\nx-a: b\r\n"],
    ["a body", () => post("{", "content-length: 100")],
    ["chunks", () => post("1\r\n{\r\n", "transfer-encoding: chunked")],
  ])("X-07 %s that does not come to its end is not waited for", async (_what, bytes) => {
    expect(await answers(bytes(), hasty)).toEqual(["408 request_timeout"]);
  });
});
