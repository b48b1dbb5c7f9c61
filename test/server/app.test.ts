/** The API as a client sees it, on both engines. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contract } from "../../src/api/contract.ts";
import { COMMON_ERRORS, type Route, type RouteName, routes } from "../../src/api/routes.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

const UNKNOWN_ID = "a2345672345672345672";
const table = Object.entries(routes) as [RouteName, Route][];
const privateRoutes = table.filter(([, route]) => !route.public);

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let bob: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
    bob = await rig.person("bob");
  });
  afterEach(() => rig.close());

  /** A request with a body that the route's schema would take, for walks over the whole table. */
  const plain = (route: Route, name: RouteName): RequestInit => ({
    method: route.method,
    ...("body" in contract[name]
      ? { body: JSON.stringify(SAMPLE[name]), headers: { "content-type": route.bytes ?? "application/json" } }
      : {}),
  });
  const SAMPLE: Partial<Record<RouteName, unknown>> = {
    createReservation: { gpu_type: "h100", duration_s: 3600 },
    patchReservation: { name: "other" },
    createKey: { public_key: "ssh-ed25519 AAAA" },
    createDisk: { name: "other" },
    patchDisk: { name: "other" },
    undeleteDisk: {},
    resizeDisk: { size_bytes: 1e9 },
    cloneDisk: { name: "other" },
    restoreDisk: { snapshot: UNKNOWN_ID },
    createSnapshot: {},
    liftReservation: { extend_s: 60, reason: "other" },
    createToken: { label: "other" },
    createUserToken: { label: "other" },
    linkIdentity: { login: "other" },
    linkUserIdentity: { with: "oidc", subject: "other" },
    createUser: { name: "other" },
    patchUser: { role: "user" },
  };

  test("A-01 A-03 an unknown id is 404 on every endpoint and method, whatever it looks like", async () => {
    const withId = privateRoutes.filter(([, route]) => route.path.includes("{id}"));
    expect(withId.length).toBeGreaterThan(3);
    const root = await rig.person("root", "admin");
    for (const [name, route] of withId)
      for (const id of [UNKNOWN_ID, "nope", "0", "a".repeat(300), "%27%20or%201=1", "..%2f..%2fetc", "%00"]) {
        const who = route.admin ? root : alice;
        const response = await rig.request(who, route.path.replace("{id}", id), plain(route, name));
        expect(await problemOf(response)).toMatchObject({ status: 404, code: "not_found" });
      }
  });

  test("A-02 someone else's reservation is answered exactly as an unknown one, and nothing happens to it", async () => {
    const { id } = await bob.api.createReservation({
      body: { gpu_type: "h100", duration_s: 3600, name: "mine" },
    });
    const before = await bob.api.getReservation({ params: { id } });
    for (const [name, route] of privateRoutes.filter(([, r]) => r.path.includes("{id}"))) {
      const answer = async (of: string) => {
        const response = await rig.request(alice, route.path.replace("{id}", of), plain(route, name));
        const { request_id: _, detail, ...rest } = await problemOf(response);
        return { ...rest, detail: detail.replace(of, "ID"), headers: [...response.headers.keys()] };
      };
      expect(await answer(id)).toEqual(await answer(UNKNOWN_ID));
    }
    for (const query of [{}, { state: "all" as const }, { name: "mine" }, { id_prefix: id.slice(0, 8) }])
      expect((await alice.api.listReservations({ query })).items).toEqual([]);
    expect(await bob.api.getReservation({ params: { id } })).toEqual(before);
    expect((await bob.api.listReservations({ query: {} })).items.map((r) => r.id)).toEqual([id]);
  });

  test("A-02 others appear only as counts", async () => {
    await bob.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: "secret-plan" } });
    const seen = JSON.stringify([
      await alice.api.listAvailability({ query: {} }),
      await alice.api.listGpuTypes({ query: {} }),
    ]);
    expect(seen).not.toMatch(/bob|secret-plan/);
    expect(
      (await alice.api.listAvailability({ query: {} })).items.find((a) => a.gpu_type === "h100"),
    ).toMatchObject({
      total: 1,
      used: 1,
      free: 0,
      simulated: true,
    });
  });

  test("X-01 A-03 without a token every route is 401, before its input is looked at", async () => {
    for (const [name, route] of privateRoutes)
      for (const headers of [
        {},
        { authorization: "Bearer wrong" },
        { authorization: `Basic ${alice.token}` },
      ]) {
        const path = `${route.path.replace("{id}", "nope")}?unknown=1`;
        const response = await rig.app.request(path, { ...plain(route, name), body: null, headers });
        expect(await problemOf(response)).toMatchObject({
          status: 401,
          code: "not_logged_in",
          retryable: false,
        });
        expect(response.headers.get("www-authenticate")).toBe('Bearer realm="gpu-dev"');
      }
  });

  test("X-01 a revoked or expired token stops working at once", async () => {
    const token = await issueToken(rig.core, alice.id, { label: "laptop" });
    const me = () => rig.app.request("/v1/me", { headers: { authorization: `Bearer ${token.token}` } });
    expect((await me()).status).toBe(200);
    await alice.api.revokeToken({ params: { id: token.id }, query: {} });
    expect(await problemOf(await me())).toMatchObject({ status: 401, code: "not_logged_in" });
    const short = await issueToken(rig.core, alice.id, { label: "short", ttlS: 60 });
    const mine = () => rig.app.request("/v1/me", { headers: { authorization: `Bearer ${short.token}` } });
    expect((await mine()).status).toBe(200);
    rig.clock.tick(60_000);
    expect((await mine()).status).toBe(401);
  });

  test("A-07 repeating a cancel answers 200, also at the same moment, and is recorded once", async () => {
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    const cancels = Array.from({ length: 8 }, () => alice.api.cancelReservation({ params: { id } }));
    for (const answer of await Promise.all(cancels)) expect(["ending", "cancelled"]).toContain(answer.state);
    await alice.api.cancelReservation({ params: { id } });
    const { items } = await alice.api.listEvents({ params: { id }, query: {} });
    expect(items.filter((e) => e.type === "ending" || e.type === "cancelled").length).toBeLessThanOrEqual(2);
    expect(items.map((e) => e.version)).toEqual(items.map((_, i) => i + 1));
    const patch = await rig.request(alice, `/v1/reservations/${id}`, {
      method: "PATCH",
      body: JSON.stringify({ extend_s: 60 }),
      headers: { "content-type": "application/json" },
    });
    expect(await problemOf(patch)).toMatchObject({ status: 409, code: "not_active" });
    expect((await alice.api.listEvents({ params: { id }, query: {} })).items).toEqual(items);
  });

  test("A-08 a POST that is sent again under its key gets the first answer; another body is a 422", async () => {
    const key = randomUUID();
    const post = (body: object, who = alice) =>
      rig.request(who, "/v1/reservations", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", "idempotency-key": key },
      });
    const sent = { gpu_type: "h100", duration_s: 3600, name: "once" };
    const first = await post(sent);
    expect(first.status).toBe(201);
    const { id } = (await first.json()) as { id: string };
    const again = await post({ name: "once", duration_s: 3600, gpu_type: "h100" });
    expect(again.status).toBe(201);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await again.json()).toMatchObject({ id });
    const other = await post({ ...sent, duration_s: 7200 });
    expect(await problemOf(other)).toMatchObject({ status: 422, code: "idempotency_mismatch" });
    // Keys are each user's own.
    const theirs = (await (await post(sent, bob)).json()) as { id: string };
    expect(theirs.id).not.toBe(id);
    expect((await alice.api.listReservations({ query: { state: "all" } })).items).toHaveLength(1);
  });

  test("A-08 the same POST ten times at the same moment makes one reservation", async () => {
    const idempotencyKey = randomUUID();
    const body = { gpu_type: "h100", duration_s: 3600 };
    const made = await Promise.all(
      Array.from({ length: 10 }, () => alice.api.createReservation({ body, idempotencyKey })),
    );
    expect(new Set(made.map((r) => r.id)).size).toBe(1);
    expect((await alice.api.listReservations({ query: { state: "all" } })).items).toHaveLength(1);
  });

  test("S-02 200 concurrent POSTs for the last GPU: one gets it, the others are queued in order", async () => {
    const made = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        (i % 2 ? alice : bob).api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } }),
      ),
    );
    expect(made.filter((r) => r.state !== "queued")).toHaveLength(1);
    const all = await Promise.all(
      made.map((r, i) => (i % 2 ? alice : bob).api.getReservation({ params: { id: r.id } })),
    );
    const positions = all.flatMap((r) => r.queue_position ?? []).sort((a, b) => a - b);
    expect(positions).toEqual(Array.from({ length: 199 }, (_, i) => i + 1));
    const later = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    expect(later.queue_position).toBe(200);
  });

  test("A-14 every answer is what the contract says", async () => {
    const { id } = await alice.api.createReservation({
      body: { gpu_type: "h100", duration_s: 3600, name: "box" },
    });
    await bob.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: "waits" } });
    const shapes = privateRoutes.filter(([, route]) => route.method === "GET");
    for (const person of [alice, bob, await rig.person("root", "admin")])
      for (const [name, route] of shapes) {
        const response = await rig.request(person, route.path.replace("{id}", id), {});
        if (response.status >= 400) {
          // What is another's, what is for administrators, and what only a pod that runs can tell.
          expect([403, 404, 409]).toContain(response.status);
          expect([...COMMON_ERRORS, ...route.errors]).toContain((await problemOf(response)).code);
          continue;
        }
        expect(response.status).toBe(route.status);
        expect(contract[name].reply.safeParse(await response.json()).error).toBeUndefined();
      }
  });

  test("X-03 hostile words are refused or stored as they are, never run", async () => {
    const words = [
      "'; drop table reservations; --",
      "$(reboot)",
      "../../etc/passwd",
      "a\nb",
      "\u0000",
      "🦄",
      "%s%n",
    ];
    for (const word of words) {
      for (const input of [{ gpu_type: word }, { gpu_type: "h100", name: word }]) {
        const body = JSON.stringify({ duration_s: 3600, ...input });
        const headers = { "content-type": "application/json" };
        const created = await rig.request(alice, "/v1/reservations", { method: "POST", body, headers });
        expect(await problemOf(created)).toMatchObject({ status: 400, code: "invalid_input" });
      }
      for (const query of [`name=${encodeURIComponent(word)}`, `cursor=${encodeURIComponent(word)}`]) {
        const { status } = await rig.request(alice, `/v1/reservations?${query}`, {});
        expect([200, 400]).toContain(status);
      }
    }
    expect((await alice.api.listReservations({ query: { state: "all" } })).items).toEqual([]);
  });

  test("C-21 T-07 O-04 no token is in the log, whatever was done with it", async () => {
    await rig.request(alice, `/v1/reservations?token=${alice.token}`, {});
    await rig.request(alice, "/v1/me", {});
    await rig.app.request("/v1/me", { headers: { authorization: `Bearer ${alice.token}x` } });
    const log = rig.log.join("");
    expect(log).toContain("/v1/me");
    expect(log).not.toContain(alice.token);
  });
});
