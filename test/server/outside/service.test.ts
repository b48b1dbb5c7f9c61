/** Services outside of the deployment: bounds, repeats, and when they are taken for down. */
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Service, type ServiceOptions } from "../../../src/server/outside/service.ts";

/** A service that `answer` is, under a clock that a test moves; its pauses are none. */
async function open(answer: RequestListener, options: Partial<ServiceOptions> = {}) {
  const http = createServer(answer).listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}/`;
  const world = { now: 1000 };
  const service = new Service({
    name: "sso",
    title: "Example SSO",
    now: () => world.now,
    pause: async () => undefined,
    ...options,
  });
  const post = () => service.fetch(url, { method: "POST", body: "x" });
  return { service, world, get: () => service.fetch(url), post };
}

/** Answers with these statuses, the last one again and again; how often it was asked. */
function statuses(...all: number[]): { answer: RequestListener; asked: () => number } {
  let asked = 0;
  const answer: RequestListener = (_request, response) => {
    response.statusCode = all[Math.min(asked++, all.length - 1)] ?? 500;
    response.end("hello");
  };
  return { answer, asked: () => asked };
}

test("B-10 what fails for a moment is asked again, three times in all; what was posted is not", async () => {
  const { answer, asked } = statuses(503, 502, 200);
  const { get, service } = await open(answer);
  const response = await get();
  expect([response.status, await response.text(), asked()]).toEqual([200, "hello", 3]);
  expect(service.state()).toEqual({ answered: 1, failed: 2, refused: 0, down: false });

  const failing = statuses(503);
  const other = await open(failing.answer);
  await expect(other.post()).rejects.toMatchObject({
    code: "unavailable",
    message: "Example SSO cannot be asked now: it answered with status 503",
    retryAfter: 5,
  });
  expect(failing.asked()).toBe(1);
});

test("B-10 five failures in a row open the breaker: fails fast, by name, with when it is asked again", async () => {
  const { answer, asked } = statuses(500);
  const { post, world, service } = await open(answer);
  for (let i = 0; i < 5; i++) await expect(post()).rejects.toThrow("status 500");
  expect(service.state()).toMatchObject({ failed: 5, down: true });
  world.now += 12_500;
  await expect(post()).rejects.toMatchObject({
    code: "unavailable",
    message: "Example SSO is down: it is asked again in 18 s",
    retryAfter: 18,
  });
  expect([asked(), service.state().refused]).toEqual([5, 1]);
});

test("B-10 an open breaker lets one request through after a while, and how that one ends decides", async () => {
  const gates: (() => void)[] = [];
  let status = 500;
  const { post, world, service } = await open((_request, response) => {
    response.statusCode = status;
    if (status === 200) gates.push(() => response.end());
    else response.end();
  });
  for (let i = 0; i < 5; i++) await expect(post()).rejects.toThrow("status 500");
  world.now += 30_000;
  await expect(post()).rejects.toThrow("status 500");
  await expect(post()).rejects.toThrow("is down");
  world.now += 30_000;
  status = 200;
  const probe = post();
  await expect(post()).rejects.toThrow("is down");
  await expect.poll(() => gates.length).toBe(1);
  gates[0]?.();
  expect((await probe).status).toBe(200);
  expect(service.state().down).toBe(false);
});

test("B-10 an answer below 500 is one, and ends a row of failures", async () => {
  const { answer } = statuses(500, 500, 500, 500, 404, 500, 500, 500, 500, 400);
  const { post, service } = await open(answer);
  const seen = [];
  for (let i = 0; i < 10; i++)
    seen.push(
      await post().then(
        (r) => r.status,
        () => "failed",
      ),
    );
  expect(seen).toEqual([...Array(4).fill("failed"), 404, ...Array(4).fill("failed"), 400]);
  expect(service.state().down).toBe(false);
});

test("B-10 X-07 an answer that does not come, has no end or is too large is cut off, and not asked for again", async () => {
  const silent = await open(() => undefined, { patienceMs: 50 });
  await expect(silent.get()).rejects.toThrow("no answer within 0.05 s");
  const slow = await open((_request, response) => response.write("x"), { patienceMs: 50 });
  await expect(slow.get()).rejects.toThrow("no answer within 0.05 s");
  const large = await open((_request, response) => response.end("x".repeat(3000)), { maxBytes: 2048 });
  await expect(large.get()).rejects.toThrow("its answer is larger than 2 KiB");
  // Each try that fails counts: there was one of each.
  expect([silent, slow, large].map(({ service }) => service.state().failed)).toEqual([1, 1, 1]);
});

test("redirects and answers without a body are passed on", async () => {
  const { get } = await open((_request, response) => response.writeHead(302, { location: "/x" }).end());
  expect((await get()).headers.get("location")).toBe("/x");
  const empty = await open((_request, response) => response.writeHead(204).end());
  expect((await empty.get()).status).toBe(204);
});
