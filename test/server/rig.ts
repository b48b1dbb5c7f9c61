/** An API over a database of its own and a driver in memory; with a port only when a test asks for one. */
import { randomUUID } from "node:crypto";
import type { Hono } from "hono";
import { expect } from "vitest";
import { type Client, createClient } from "../../src/api/client.ts";
import type { ProblemDocument } from "../../src/api/errors.ts";
import { BODY_ERRORS, COMMON_ERRORS, type Route, routes } from "../../src/api/routes.ts";
import { type Core, type CoreParts, createCore } from "../../src/core/core.ts";
import { deploymentId } from "../../src/core/deployment.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { registerKey } from "../../src/core/people/keys.ts";
import { createUser } from "../../src/core/people/users.ts";
import { createReconciler } from "../../src/core/reconcile.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { createApp } from "../../src/server/app.ts";
import type { AppEnv } from "../../src/server/bind.ts";
import { createClientAddress } from "../../src/server/client-address.ts";
import { LiveSettings } from "../../src/server/config/live.ts";
import { listen } from "../../src/server/listen.ts";
import { createLogger } from "../../src/server/log.ts";
import { createMetrics } from "../../src/server/metrics.ts";
import { createRateLimits, type RequestLimits } from "../../src/server/rate-limits.ts";
import { createReadiness } from "../../src/server/readiness.ts";
import { createStreams } from "../../src/server/streams.ts";
import { createTunnels, isTunnel } from "../../src/server/tunnels.ts";
import { openStore } from "../../src/store/db.ts";
import { createClock, type TestClock } from "../helpers/clock.ts";
import { engines, type TestDatabase, type TestEngine } from "../helpers/engines.ts";
import { createFakeDisks, type FakeDisks } from "../helpers/fake-disks.ts";
import { createFakeDriver, type FakeDriver, h100 } from "../helpers/fake-driver.ts";
import { openImages } from "../helpers/fake-images.ts";

export interface Person {
  readonly id: string;
  readonly token: string;
  readonly api: Client;
}

export interface ApiRig {
  readonly core: Core;
  readonly app: Hono<AppEnv>;
  readonly clock: TestClock;
  readonly driver: FakeDriver;
  readonly disks: FakeDisks;
  /** Lines of the log. */
  readonly log: string[];
  /** Somebody new with a token and an ssh key. */
  person(name: string, role?: "user" | "admin"): Promise<Person>;
  /** As this person; paths only. */
  request(who: { token: string }, path: string, init: RequestInit): Promise<Response>;
  clientFor(who: { token: string }): Client;
  /** Another app over a core that a test has broken. */
  appOn(core: Core): Hono<AppEnv>;
  /** In a minute; at first there are none. Time is that of the rig's clock. */
  limits: RequestLimits;
  corsOrigins: readonly string[];
  /** Lets the reconciler do all that is due. */
  settle(): Promise<void>;
  /** Opens a port, tunnels included; its URL. */
  listen(): Promise<string>;
  /** Ends the tunnels of the port, as a server does that stops. */
  closeTunnels(): Promise<void>;
  drain(): void;
  failDriver(): void;
  /** Another server on the same database. */
  second(): Promise<ApiRig>;
  close(): Promise<void>;
}

/** A rig with one simulated H100 on an empty database. */
export async function openRig(engine: TestEngine, parts: Partial<CoreParts> = {}): Promise<ApiRig> {
  const database = await engine.create();
  return rigOn(database, createClock(), createFakeDriver([h100(1)]), parts, () => database.drop());
}

/** The same, with a user and an administrator. */
export async function openPeopledRig(engine: TestEngine) {
  const rig = await openRig(engine);
  return { rig, alice: await rig.person("alice"), root: await rig.person("root", "admin") };
}

export const engineNamed = (name: TestEngine["engine"]): TestEngine => {
  const engine = engines.find((e) => e.engine === name);
  if (!engine) throw new Error(`no engine ${name}`);
  return engine;
};

async function rigOn(
  database: TestDatabase,
  clock: TestClock,
  driver: FakeDriver,
  parts: Partial<CoreParts>,
  drop: () => Promise<void>,
): Promise<ApiRig> {
  const log: string[] = [];
  const closers: (() => Promise<unknown>)[] = [];
  const logger = createLogger("debug", { write: (line) => log.push(line) });
  const store = await openStore({ url: database.url, clock });
  closers.unshift(() => store.close());
  const disks = createFakeDisks();
  const { images, remove } = openImages();
  closers.unshift(async () => remove());
  const core = createCore({
    store,
    driver,
    disks,
    settings: { domain: "pods.test", images },
    log: (level, fields, message) => logger[level](fields, message),
    probe: async () => ({ ok: true }),
    ...parts,
  });
  await syncCapacity(core);
  const id = await deploymentId(store);
  const reconciler = createReconciler(core);
  closers.unshift(() => core.tokenUses.written());
  closers.unshift(() => core.refusals.written());
  closers.unshift(() => reconciler.stop());
  let draining = false;
  const metrics = createMetrics(core);
  let closeTunnels = () => Promise.resolve();

  const streams = createStreams(core);
  const limits = createRateLimits(
    () => rig.limits,
    () => clock.now().getTime(),
  );
  const appOn = (on: Core) =>
    createApp({
      core: on,
      streams: on === core ? streams : createStreams(on),
      logger,
      deploymentId: id,
      version: "1.2.3-test",
      draining: () => draining,
      metrics,
      clientAddress: createClientAddress(),
      limits,
      corsOrigins: () => rig.corsOrigins,
      ready: createReadiness({
        checks: { database: () => on.store.ping(), driver: () => on.driver.capacity() },
        timeoutMs: 3000,
        maxAgeMs: 1000,
        now: () => performance.now(),
        onChange: (part, err) => logger.warn({ part, err }, "readiness"),
      }),
    });
  const app = appOn(core);

  const send = async (path: string, init: RequestInit) => declared(path, init, await app.request(path, init));
  const request = (who: { token: string }, path: string, init: RequestInit) =>
    send(path, { ...init, headers: { authorization: `Bearer ${who.token}`, ...init.headers } });
  const clientFor = (who: { token: string }) =>
    createClient({
      url: "",
      token: who.token,
      version: "99.0.0-test",
      fetch: send,
    });

  const rig: ApiRig = {
    core,
    app,
    limits: NO_LIMITS,
    corsOrigins: [],
    clock,
    driver,
    disks,
    log,
    request,
    clientFor,
    appOn,
    async person(name, role = "user") {
      const user = await createUser(core, name, role);
      const { id: tokenId, token } = await issueToken(core, user.id, { label: "test" });
      await registerKey(core, { ...user, tokenId, scope: role }, { public_key: newKeyPair().publicKey });
      return { id: user.id, token, api: clientFor({ token }) };
    },
    async settle() {
      reconciler.start();
      await reconciler.idle();
    },
    async listen() {
      const tunnels = createTunnels(
        core,
        randomUUID().slice(0, 8),
        logger,
        metrics,
        limits,
        new LiveSettings().limits,
      );
      const http = await listen({
        host: "127.0.0.1",
        port: 0,
        app,
        isTunnel,
        upgrade: (incoming, socket, head) => tunnels.handleUpgrade(incoming, socket, head),
      });
      closers.unshift(() => http.close());
      closeTunnels = () => tunnels.close(0);
      closers.unshift(closeTunnels);
      return http.url;
    },
    closeTunnels: () => closeTunnels(),
    drain() {
      draining = true;
      streams.close();
    },
    failDriver() {
      driver.faults.set("capacity", new DriverError("the fake is told to fail"));
    },
    second: () => rigOn(database, clock, driver, parts, async () => undefined),
    async close() {
      for (const close of closers) await close();
      await drop();
    },
  };
  return rig;
}

const NO_LIMITS: RequestLimits = { requestsPerToken: 0, requestsPerAddress: 0, failedLoginsPerAddress: 0 };

/** Fails the test when a route answers with an error that the table of routes does not give it. */
async function declared(path: string, init: RequestInit, response: Response): Promise<Response> {
  const pattern = (route: Route) => new RegExp(`^${route.path.replace(/\{\w+\}/g, "[^/?]+")}(?:\\?|$)`);
  const table: Route[] = Object.values(routes);
  const route = table.find((r) => r.method === (init.method ?? "GET") && pattern(r).test(path));
  if (route && response.status >= 400) {
    const { code } = (await response.clone().json()) as ProblemDocument;
    const body = route.method === "GET" ? [] : BODY_ERRORS;
    expect([...COMMON_ERRORS, ...body, ...route.errors, "method_not_allowed"]).toContain(code);
  }
  return response;
}

/** The problem that a response holds; fails the test when it is not one as the contract has it. */
export async function problemOf(response: Response): Promise<ProblemDocument> {
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const problem = (await response.json()) as ProblemDocument;
  expect(problem.request_id).toBe(response.headers.get("x-request-id"));
  expect(problem.status).toBe(response.status);
  expect(problem.type).toBe(`urn:gpu-dev:error:${problem.code}`);
  return problem;
}
