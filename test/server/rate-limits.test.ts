/** who may ask how often, by a clock that is ticked. */
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { Buckets } from "../../src/server/buckets.ts";
import { createRateLimits, type RequestLimits } from "../../src/server/rate-limits.ts";
import { engineNamed, openRig, problemOf } from "./rig.ts";

const NONE: RequestLimits = { requestsPerToken: 0, requestsPerAddress: 0, failedLoginsPerAddress: 0 };

function given(limits: Partial<RequestLimits>) {
  let now = 0;
  const rates = createRateLimits(
    () => ({ ...NONE, ...limits }),
    () => now,
  );
  const good = async () => "in";
  const bad = async (): Promise<string> => {
    throw new Problem("not_logged_in", "the token is unknown");
  };
  const outcome = (work: Promise<string>) =>
    work.catch((problem: Problem) => [problem.code, problem.retryAfter ?? 0] as const);
  return {
    tick: (ms: number) => {
      now += ms;
    },
    request: (address: string) => rates.request(address)?.code ?? "in",
    good: (token: string, address = "192.0.2.1") => outcome(rates.login(token, address, good)),
    bad: (token: string, address = "192.0.2.1") => outcome(rates.login(token, address, bad)),
  };
}

test("A-11 a token has a sixth of its minute at once, then one at a time, and is told how long to wait", async () => {
  const { good, tick } = given({ requestsPerToken: 60 });
  for (let i = 0; i < 10; i++) expect(await good("a")).toBe("in");
  expect(await good("a")).toEqual(["rate_limited", 1]);
  expect(await good("b")).toBe("in");
  tick(400);
  expect(await good("a")).toEqual(["rate_limited", 0.6]);
  tick(600);
  expect(await good("a")).toBe("in");
  expect(await good("a")).toEqual(["rate_limited", 1]);
  tick(3_600_000);
  for (let i = 0; i < 10; i++) expect(await good("a")).toBe("in");
  expect(await good("a")).toEqual(["rate_limited", 1]);
});

test("A-11 a burst at one moment is counted while nobody knows yet how it ends", async () => {
  let tried = 0;
  const answer = Promise.withResolvers<string>();
  const rates = createRateLimits(
    () => ({ ...NONE, requestsPerToken: 60, failedLoginsPerAddress: 3 }),
    () => 0,
  );
  const login = () => {
    tried += 1;
    return answer.promise;
  };
  const codes = async (work: Promise<string>[]) =>
    (await Promise.allSettled(work)).map((end) => (end.status === "fulfilled" ? end.value : end.reason.code));
  const good = codes(Array.from({ length: 25 }, () => rates.login("one", "192.0.2.1", login)));
  await expect.poll(() => tried).toBe(3);
  answer.resolve("in");
  const ends = await good;
  expect([ends.slice(0, 10), new Set(ends.slice(10))]).toEqual([
    Array(10).fill("in"),
    new Set(["rate_limited"]),
  ]);

  const no = Promise.withResolvers<string>();
  let guessed = 0;
  const guess = (_: unknown, i: number) =>
    rates.login(`guess-${i}`, "192.0.2.1", () => {
      guessed += 1;
      return no.promise;
    });
  const guesses = codes(Array.from({ length: 25 }, guess));
  await expect.poll(() => guessed).toBe(3);
  no.reject(new Problem("not_logged_in", "the token is unknown"));
  const words = await guesses;
  expect(words.filter((code) => code === "not_logged_in")).toHaveLength(3);
  expect([guessed, words.filter((code) => code === "rate_limited").length]).toEqual([3, 22]);
});

test("A-11 X-01 a token that was good and is revoked counts as a guess from then on", async () => {
  const { good, bad } = given({ failedLoginsPerAddress: 2 });
  expect(await good("mine")).toBe("in");
  for (let i = 0; i < 3; i++) expect(await bad("mine")).toEqual(["not_logged_in", 0]);
  expect(await bad("mine")).toEqual(["rate_limited", 30]);
});

test("A-11 an address is an IPv4 address or an IPv6 network of 64 bits", () => {
  const { request } = given({ requestsPerAddress: 6 });
  const twice = (one: string, other: string) => [request(one), request(other)];
  expect(twice("192.0.2.1", "192.0.2.1")).toEqual(["in", "rate_limited"]);
  expect(twice("192.0.2.2", "::ffff:192.0.2.2")).toEqual(["in", "rate_limited"]);
  expect(twice("2001:db8:0:1::5", "2001:db8:0:1:ffff::")).toEqual(["in", "rate_limited"]);
  expect(twice("2001:db8::1", "2001:db8:0:0:9::1")).toEqual(["in", "rate_limited"]);
  expect(twice("2001:db8:0:2::5", "2001:db8:0:3::5")).toEqual(["in", "in"]);
});

test("A-11 the command line on the server's own machine is not limited by address", async () => {
  const { request, bad } = given({ requestsPerAddress: 6, failedLoginsPerAddress: 1 });
  for (const address of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
    for (let i = 0; i < 20; i++) expect(request(address)).toBe("in");
  for (let i = 0; i < 20; i++) expect(await bad(`guess-${i}`, "::1")).toEqual(["not_logged_in", 0]);
});

test("A-11 X-01 who guesses tokens is stopped, and not who is behind the same address with a good one", async () => {
  const { good, bad, tick } = given({ failedLoginsPerAddress: 3, requestsPerToken: 6000 });
  expect(await good("known")).toBe("in");
  for (let i = 0; i < 3; i++) expect(await bad(`guess-${i}`)).toEqual(["not_logged_in", 0]);
  expect(await bad("guess-3")).toEqual(["rate_limited", 20]);
  expect(await good("known")).toBe("in");
  expect(await good("new here")).toEqual(["rate_limited", 20]);
  expect(await good("new here", "192.0.2.9")).toBe("in");
  tick(20_000);
  expect(await bad("guess-4")).toEqual(["not_logged_in", 0]);
});

test("A-11 an error that is no failed login counts for nobody", async () => {
  const rates = createRateLimits(
    () => ({ ...NONE, failedLoginsPerAddress: 1 }),
    () => 0,
  );
  const broken = () => rates.login("t", "192.0.2.1", () => Promise.reject(new Error("disk full")));
  for (let i = 0; i < 5; i++) await expect(broken()).rejects.toThrow("disk full");
});

test("A-11 what a good token is refused counts for it", async () => {
  const rates = createRateLimits(
    () => ({ ...NONE, requestsPerToken: 12 }),
    () => 0,
  );
  const forbidden = () =>
    rates.login("t", "192.0.2.1", () => Promise.reject(new Problem("not_allowed", "no")));
  for (const code of ["not_allowed", "not_allowed", "rate_limited"])
    await expect(forbidden()).rejects.toMatchObject({ code });
});

test("A-11 what is remembered is bounded: of those used longest ago a few full ones go, else the oldest", () => {
  let now = 0;
  const buckets = new Buckets(
    () => ({ perSecond: 1, burst: 2 }),
    () => now,
  );
  for (let i = 0; i < 10_000; i++) buckets.take(`early-${i}`);
  buckets.take("one more");
  expect([buckets.size, buckets.has("early-0"), buckets.has("early-1")]).toEqual([10_000, false, true]);
  now = 5000;
  buckets.take("later");
  // Each request looks at as many as it takes not to go round all of them.
  expect([buckets.size, buckets.has("early-16"), buckets.has("early-17")]).toEqual([9985, false, true]);
  buckets.take("later");
  buckets.take("later");
  expect([buckets.take("later"), buckets.take("last")]).toEqual([1, 0]);
});

test("A-11 the API answers 429 with Retry-After, and health is asked without a limit", async () => {
  const rig = await openRig(engineNamed("sqlite"));
  try {
    const alice = await rig.person("alice");
    const from = (remoteAddress: string) => ({ incoming: { headers: {}, socket: { remoteAddress } } });
    const get = (path: string, address: string, token = alice.token) =>
      rig.app.request(path, { headers: { authorization: `Bearer ${token}` } }, from(address));
    Object.assign(rig, { limits: { ...NONE, requestsPerAddress: 60 } });
    for (let i = 0; i < 10; i++) expect((await get("/v1/me", "192.0.2.1")).status).toBe(200);
    const refused = await get("/v1/me", "192.0.2.1");
    expect(refused.headers.get("retry-after")).toBe("1");
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: "rate_limited", retryable: true });
    expect((await get("/healthz", "192.0.2.1")).status).toBe(200);
    expect((await get("/v1/me", "192.0.2.2")).status).toBe(200);
    rig.clock.tick(1000);
    expect((await get("/v1/me", "192.0.2.1")).status).toBe(200);

    Object.assign(rig, { limits: { ...NONE, failedLoginsPerAddress: 2 } });
    for (const path of ["/v1/me", "/metrics"])
      expect((await get(path, "192.0.2.3", `wrong-${path}`)).status).toBe(401);
    expect((await get("/v1/me", "192.0.2.3", "wrong")).status).toBe(429);
    expect((await get("/metrics", "192.0.2.3", "wrong")).status).toBe(429);
  } finally {
    await rig.close();
  }
});
