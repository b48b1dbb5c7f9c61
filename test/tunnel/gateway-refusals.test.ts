/** What the gateway refuses before any upgrade: plain HTTP with a problem document. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { type ErrorCode, Problem } from "../../src/api/errors.ts";
import { FakeClock } from "./fake-clock.ts";
import { given, refusal } from "./gateway-scene.ts";
import { ID } from "./rig.ts";

test("T-06 each refusal has its status, code and text, as a problem document", async () => {
  const { rig } = await given();
  expect(await refusal(rig, undefined, { authorization: "Bearer wrong" })).toMatchObject({
    status: 401,
    headers: { "content-type": "application/problem+json", "www-authenticate": "Bearer" },
    body: { code: "not_logged_in", detail: "the token is not valid" },
  });
  expect(await refusal(rig, `/v1/tunnel/${"b".repeat(20)}`)).toMatchObject({
    status: 404,
    body: { code: "not_found" },
  });
  expect(await refusal(rig, "/v1/elsewhere")).toMatchObject({ status: 404, body: { code: "unknown_route" } });
});

test.each<[ErrorCode, number]>([
  ["not_ready", 409],
  ["reservation_ended", 410],
  ["not_allowed", 403],
  ["unavailable", 503],
])("T-06 a Problem %s of the admission is answered as it is", async (code, status) => {
  const admit = () =>
    Promise.reject(new Problem(code, "because of this", { hint: "do that", retryAfter: 3 }));
  const { rig } = await given({ admit });
  const { body, headers, status: got } = await refusal(rig);
  expect([got, body.code, body.detail, body.hint]).toEqual([status, code, "because of this", "do that"]);
  expect(headers["retry-after"]).toBe("3");
});

test("T-06 a pod that cannot be dialled is 502, with the cause in the log and not in the answer", async () => {
  const { rig } = await given({ dial: () => Promise.reject(new Error("ECONNREFUSED /secret/path")) });
  const { status, body } = await refusal(rig);
  expect([status, body.code]).toEqual([502, "pod_unreachable"]);
  expect(JSON.stringify(body)).not.toContain("secret");
  expect(rig.logs.join()).toContain(body.request_id);
});

test("T-06 a pod that never answers is 502 after 10 s, and a late connection is closed", async () => {
  const clock = new FakeClock();
  const late = Promise.withResolvers<Socket>();
  const asked = Promise.withResolvers<void>();
  const { rig, pod } = await given({
    clock,
    dial: () => {
      asked.resolve();
      return late.promise;
    },
  });
  const refused = refusal(rig);
  await asked.promise;
  clock.tick(10_000);
  expect(await refused).toMatchObject({ status: 502, body: { code: "pod_unreachable" } });
  const socket = await pod.dial();
  late.resolve(socket);
  await once(socket, "close");
  expect(clock.pending).toBe(0);
});

test("a fault of the server itself is 500 without its words", async () => {
  const { rig } = await given({ admit: () => Promise.reject(new Error("SELECT secret")) });
  const { status, body } = await refusal(rig);
  expect([status, body.code]).toEqual([500, "internal"]);
  expect(JSON.stringify(body)).not.toContain("secret");
});

test.each([
  ["another subprotocol", {}, { "sec-websocket-protocol": "chat" }, "sec-websocket-protocol"],
  ["no attempt", {}, { "gpu-dev-attempt": "x" }, "gpu-dev-attempt"],
  ["attempt 0", {}, { "gpu-dev-attempt": "0" }, "gpu-dev-attempt"],
  ["an old WebSocket", {}, { "sec-websocket-version": "8" }, "sec-websocket-version"],
  ["a strange key", {}, { "sec-websocket-key": "x" }, "sec-websocket-key"],
  ["a strange session", {}, { "gpu-dev-session": "gw.00", "gpu-dev-received": "0" }, "gpu-dev-session"],
  ["a resume from nowhere", {}, { "gpu-dev-session": `gw.${"0".repeat(32)}` }, "gpu-dev-received"],
  ["port 0", { query: "port=0" }, {}, "port"],
  ["port 65536", { query: "port=65536" }, {}, "port"],
  ["a port that is no number", { query: "port=22abc" }, {}, "port"],
  ["a negative node", { query: "node=-1" }, {}, "node"],
  ["a port given twice", { query: "port=22&port=23" }, {}, "port"],
  ["a token in the URL (T-07)", { query: "token=abc" }, {}, "token"],
  ["no id", { id: "..%2f" }, {}, "reservation"],
])(
  "%s is refused with the field's name",
  async (_, { id = ID, query = "" }: { id?: string; query?: string }, change, field) => {
    const { rig } = await given();
    const { status, body } = await refusal(rig, `/v1/tunnel/${id}?${query}`, change);
    expect([status, body.code]).toEqual([400, "invalid_input"]);
    expect(body.errors?.map((each) => each.field)).toEqual([field]);
  },
);

test("only GET opens a tunnel", async () => {
  const { rig } = await given();
  expect(await refusal(rig, undefined, {}, "POST")).toMatchObject({ status: 405 });
});

test("a session that the gateway does not know, as after its restart, is 410 session_gone", async () => {
  const { rig } = await given();
  const session = `gw.${"0".repeat(32)}`;
  const change = { "gpu-dev-session": session, "gpu-dev-received": "5", "gpu-dev-attempt": "2" };
  expect(await refusal(rig, undefined, change)).toMatchObject({
    status: 410,
    body: { code: "session_gone" },
  });
});
