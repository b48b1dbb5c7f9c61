import { expect, test } from "vitest";
import { asProblem, BadReply, createClient, type Fetch, RefusedRequest } from "../../src/api/client.ts";
import { Problem } from "../../src/api/errors.ts";

type Seen = { url: string; init: Parameters<Fetch>[1] };

function clientOf(status: number, type: string, text: string, more: Record<string, string> = {}) {
  const seen: Seen[] = [];
  const headers: Record<string, string> = { "content-type": type, ...more };
  const fetch: Fetch = async (url, init) => {
    seen.push({ url, init });
    return { status, headers: { get: (name) => headers[name] ?? null }, text: async () => text };
  };
  return { seen, api: createClient({ url: "http://x", token: "t", version: "1.2.3", fetch }) };
}

test("a request carries token, version, escaped path and only given query fields", async () => {
  const { api, seen } = clientOf(200, "application/json; charset=utf-8", '{"ok":1}');
  await api.getReservation({ params: { id: "a/../b c" } });
  await api.listReservations({ query: { state: "all", name: "x&y" } });
  expect(seen[0]?.url).toBe("http://x/v1/reservations/a%2F..%2Fb%20c");
  expect(seen[1]?.url).toBe("http://x/v1/reservations?state=all&name=x%26y");
  expect(seen[0]?.init.headers).toMatchObject({ authorization: "Bearer t", "gpu-dev-cli": "1.2.3" });
  expect(seen[0]?.init.headers).not.toHaveProperty("content-type");
});

test("a creating request carries its body and its idempotency key", async () => {
  const { api, seen } = clientOf(201, "application/json", "{}");
  await api.createKey({ body: { public_key: "ssh-ed25519 AAAA" }, idempotencyKey: "k1" });
  expect(seen[0]?.init).toMatchObject({ method: "POST", body: '{"public_key":"ssh-ed25519 AAAA"}' });
  expect(seen[0]?.init.headers).toMatchObject({
    "idempotency-key": "k1",
    "content-type": "application/json",
  });
});

test.each([
  ["a proxy's page", 200, "text/html", "<html>"],
  ["a page that says 404", 404, "text/html", "<html>"],
  ["a cut body", 200, "application/json", '{"items":['],
  ["nothing", 200, "application/json", ""],
  ["JSON that is no problem document", 500, "application/json", '{"error":"x"}'],
  ["a JSON string", 404, "application/json", '"not_found"'],
  ["JSON that calls itself something else", 200, "text/plain", "{}"],
])("C-27 %s is a bad reply with its status", async (_, status, type, text) => {
  const { api } = clientOf(status, type, text);
  const error = await api.getMe({}).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(BadReply);
  expect(error).toMatchObject({ status });
});

test("a refusal is the server's problem, with its Retry-After", async () => {
  const problem = new Problem("draining", "going down", { hint: "wait" }).document("r1");
  const { api } = clientOf(503, "application/problem+json", JSON.stringify(problem), { "retry-after": "7" });
  const error = (await api.getMe({}).catch((e: unknown) => e)) as RefusedRequest;
  expect(error).toBeInstanceOf(RefusedRequest);
  expect(asProblem(error)).toMatchObject({
    code: "draining",
    message: "going down",
    hint: "wait",
    retryAfter: 7,
  });
});

test("A-19 a code of a newer server is kept, not taken for one of ours", async () => {
  const problem = { code: "toString", detail: "?", status: 409, retryable: false };
  const { api } = clientOf(409, "application/problem+json", JSON.stringify(problem));
  const error = (await api.getMe({}).catch((e: unknown) => e)) as RefusedRequest;
  expect(error.problem.code).toBe("toString");
  expect(asProblem(error)).toBeUndefined();
});
