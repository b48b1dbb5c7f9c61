/** Spans on their way to a collector: a stand-in on loopback that speaks OTLP over HTTP. */
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { createLogger } from "../../src/server/log.ts";
import { openTracing } from "../../src/server/tracing.ts";
import { startOwnServer } from "../helpers/own-server.ts";

interface Span {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly {
    key: string;
    value: { stringValue?: string; intValue?: number | string };
  }[];
}

let collector: Server;
let url: string;
let bodies: string[];
let answer: number;
const lines: string[] = [];
const logger = createLogger("info", { write: (line) => lines.push(line) });

beforeEach(async () => {
  bodies = [];
  answer = 200;
  lines.length = 0;
  collector = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part) => {
      body += part;
    });
    request.on("end", () => {
      if (request.url === "/v1/traces" && request.headers["content-type"] === "application/json")
        bodies.push(body);
      response.writeHead(answer, { "content-type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await once(collector, "listening");
  url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
});
afterEach(() => {
  collector.close();
  collector.closeAllConnections();
});

const spans = (): Span[] =>
  bodies.flatMap((body) =>
    (JSON.parse(body) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans.flatMap(
      (resource) => resource.scopeSpans.flatMap((scope) => scope.spans),
    ),
  );
const fieldsOf = (span: Span | undefined): Record<string, unknown> =>
  Object.fromEntries(
    (span?.attributes ?? []).map(({ key, value }) => [key, value.stringValue ?? Number(value.intValue)]),
  );
const GUARD = { timeout: 60_000, interval: 20 };

test("a piece of work is a span of what it is called from, with what is known of it and how it went wrong", async () => {
  const { trace, close } = openTracing({ url, version: "1.2.3", delayMs: 10 }, logger);
  const failed = trace("outer", { reservation_id: "r1", unknown: undefined }, async (tell) => {
    tell({ "http.response.status_code": 500 });
    expect(await trace("inner", {}, async () => 7)).toBe(7);
    throw new TypeError("it went wrong");
  });
  await expect(failed).rejects.toThrow("it went wrong");
  await close();
  const [inner, outer] = ["inner", "outer"].map((name) => spans().find((span) => span.name === name));
  expect(inner).toMatchObject({ traceId: outer?.traceId, parentSpanId: outer?.spanId });
  expect(fieldsOf(outer)).toEqual({
    "gpu_dev.reservation_id": "r1",
    "http.response.status_code": 500,
    "error.type": "TypeError",
  });
  expect(outer?.status).toMatchObject({ code: 2, message: "it went wrong" });
  expect(bodies.join("")).toContain('"1.2.3"');
});

test("O-04 a collector that takes nothing holds nobody up, and is logged when that begins and when it is over", async () => {
  const { trace, close } = openTracing({ url, version: "1", delayMs: 10 }, logger);
  answer = 400;
  const told = (words: string) => lines.filter((line) => line.includes(words)).length;
  for (let i = 0; i < 3; i++) {
    const before = bodies.length;
    await trace("work", {}, async () => undefined);
    await vi.waitFor(() => expect(bodies.length).toBeGreaterThan(before), GUARD);
  }
  await vi.waitFor(() => expect(told("traces are not taken")).toBe(1), GUARD);
  answer = 200;
  await trace("work", {}, async () => undefined);
  await vi.waitFor(() => expect(told("traces are taken again")).toBe(1), GUARD);
  expect(told("traces are not taken")).toBe(1);
  await close();
});

test("requests, steps and calls of the driver are traced with their ids, and no secret", async () => {
  const parent = mkdtempSync(join(tmpdir(), "gd-trace-"));
  const { server, api } = await startOwnServer(parent, { takeOverMs: 100, traces: url });
  await api.createKey({ body: { public_key: newKeyPair().publicKey } });
  const { id } = await api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
  const state = async () => (await api.getReservation({ params: { id } })).state;
  await expect.poll(state, GUARD).toBe("active");
  await api.cancelReservation({ params: { id } });
  await expect.poll(state, GUARD).toBe("cancelled");
  const { headers } = await fetch(`${server.url}/v1/reservations/${id}`, {
    headers: { authorization: `Bearer ${server.token}` },
  });
  await server.close();
  rmSync(parent, { recursive: true });

  const all = spans();
  const request = all.find((span) => fieldsOf(span)["gpu_dev.request_id"] === headers.get("x-request-id"));
  expect(request?.name).toBe("GET /v1/reservations");
  expect(fieldsOf(request)).toMatchObject({
    "gpu_dev.reservation_id": id,
    "http.response.status_code": 200,
    "url.path": `/v1/reservations/${id}`,
  });
  const steps = all.filter((span) => fieldsOf(span)["gpu_dev.reservation_id"] === id).map(({ name }) => name);
  expect(steps).toEqual(
    expect.arrayContaining(["step launch", "step prove", "step activate", "step terminate", "step finish"]),
  );
  const launch = all.find((span) => span.name === "driver launch");
  expect(all.find((span) => span.spanId === launch?.parentSpanId)?.name).toBe("step launch");
  expect(bodies.join("")).not.toContain(server.token);
});
