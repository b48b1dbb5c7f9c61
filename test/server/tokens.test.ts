/** Tokens and users as a client has them, on both engines. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CreateToken } from "../../src/api/accounts.ts";
import type { Client } from "../../src/api/client.ts";
import { type Route, routes } from "../../src/api/routes.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openPeopledRig, type Person, problemOf } from "./rig.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;

describe.each(engines)("tokens on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let root: Person;
  beforeEach(async () => {
    ({ rig, alice, root } = await openPeopledRig(engine));
  });
  afterEach(() => rig.close());

  const make = (api: Client, body: CreateToken) => api.createToken({ body });
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "ok",
      (error: { problem: { code: string } }) => error.problem.code,
    );
  const works = async (token: string, path = "/v1/me"): Promise<number> =>
    (await rig.request({ token }, path, {})).status;
  const reserve = async (who: Person): Promise<string> =>
    (await who.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } })).id;
  const stored = async (): Promise<string> =>
    JSON.stringify(
      await rig.core.store.read(async (db) => [
        await db.selectFrom("tokens").selectAll().execute(),
        await db.selectFrom("idempotency_keys").selectAll().execute(),
        await db.selectFrom("audit").selectAll().execute(),
      ]),
    );

  test("X-01 a token is told once, expires, is listed without its secret, and is revoked at once", async () => {
    const made = await make(alice.api, { label: "laptop", expires_in_s: 3600 });
    expect(made).toMatchObject({ scope: "user", state: "live", current: false, last_used_at: null });
    expect(made.token).toMatch(/^gd_[\w-]{43}$/);
    expect(made.token.startsWith(made.prefix)).toBe(true);
    expect(Date.parse(made.expires_at ?? "") - Date.parse(made.created_at)).toBe(3_600_000);
    expect(await stored()).not.toContain(made.token.slice(made.prefix.length));
    expect(await stored()).toContain(createHash("sha256").update(made.token).digest("hex"));
    const { items } = await alice.api.listTokens({ query: {} });
    expect(items.map(({ label, current }) => [label, current]).toSorted()).toEqual([
      ["laptop", false],
      ["test", true],
    ]);
    expect(JSON.stringify(items)).not.toContain(made.token.slice(made.prefix.length));
    expect(await works(made.token)).toBe(200);
    // Its last use is written behind the request, and would be seen by the second of the two that follow.
    await rig.core.tokenUses.written();
    const revoked = await alice.api.revokeToken({ params: { id: made.id }, query: {} });
    expect(await alice.api.revokeToken({ params: { id: made.id }, query: {} })).toEqual(revoked);
    expect(revoked.state).toBe("revoked");
    expect(await works(made.token)).toBe(401);
    const usual = await make(alice.api, { label: "usual" });
    rig.clock.tick(90 * DAY - 1);
    expect(await works(usual.token)).toBe(200);
    rig.clock.tick(1);
    expect(await works(usual.token)).toBe(401);
    const all = await alice.api.listTokens({ query: { state: "all" } });
    expect(Object.fromEntries(all.items.map((t) => [t.label, t.state]))).toEqual({
      laptop: "revoked",
      usual: "expired",
      test: "live",
    });
  });

  test("X-01 a token never makes one with more rights than its own", async () => {
    const metrics = await make(root.api, { label: "m", scope: "metrics" });
    const plain = rig.clientFor(await make(root.api, { label: "p", scope: "user" }));
    const id = await reserve(alice);
    const one = await make(alice.api, { label: "one", scope: "reservation", reservation_id: id });
    for (const scope of ["user", "admin", "metrics", "reservation"] as const) {
      const body = { label: "x", scope, ...(scope === "reservation" ? { reservation_id: id } : {}) };
      const may = scope === "user" || scope === "reservation";
      expect(await codeOf(make(alice.api, body))).toBe(may ? "ok" : "not_allowed");
      // What an administrator's lesser token makes is less, too; and alice's reservation is nothing to root.
      expect(await codeOf(make(plain, body))).toBe(
        scope === "user" ? "ok" : may ? "not_found" : "not_allowed",
      );
      for (const token of [metrics.token, one.token])
        expect(await codeOf(make(rig.clientFor({ token }), body))).toBe("not_allowed");
    }
    const admin = await make(root.api, { label: "a", scope: "admin" });
    expect(await codeOf(plain.rotateToken({ params: { id: admin.id } }))).toBe("not_allowed");
    expect(await codeOf(plain.createUser({ body: { name: "eve" } }))).toBe("not_allowed");
    const forAlice = { params: { id: alice.id }, body: { label: "x", scope: "admin" as const } };
    expect(await codeOf(root.api.createUserToken(forAlice))).toBe("invalid_input");
    const given = await root.api.createUserToken({ params: { id: alice.id }, body: { label: "lost hers" } });
    expect(await rig.clientFor(given).getMe({})).toMatchObject({ name: "alice", role: "user" });
  });

  test("A-15 metrics and administrators' endpoints need a credential of their own role, on every route", async () => {
    const metrics = await make(root.api, { label: "prometheus", scope: "metrics" });
    const plain = await make(root.api, { label: "plain" });
    expect(await works(metrics.token, "/metrics")).toBe(200);
    expect(await works(root.token, "/metrics")).toBe(200);
    for (const { token } of [plain, alice]) expect(await works(token, "/metrics")).toBe(403);
    const table: Route[] = Object.values(routes).filter((route: Route) => !route.public);
    for (const route of table) {
      const ask = (token: string) =>
        rig.request({ token }, route.path.replace(/\{\w+\}/, "nobody"), { method: route.method });
      expect(await problemOf(await ask(metrics.token))).toMatchObject({ code: "not_allowed" });
      if (!route.admin) continue;
      for (const { token } of [plain, alice])
        expect(await problemOf(await ask(token))).toMatchObject({ status: 403, code: "not_allowed" });
    }
    expect(table.filter((route) => route.admin).length).toBeGreaterThan(5);
  });

  test("a token of one reservation shows and cancels that one, as long as it lives", async () => {
    const id = await reserve(alice);
    const { token } = await make(alice.api, { label: "ci", scope: "reservation", reservation_id: id });
    const ci = rig.clientFor({ token });
    expect((await ci.getReservation({ params: { id } })).id).toBe(id);
    expect(await codeOf(ci.listReservations({ query: {} }))).toBe("not_allowed");
    await ci.cancelReservation({ params: { id } });
    const { items } = await alice.api.listEvents({ params: { id }, query: {} });
    expect(JSON.stringify(items)).toContain("cancelled by its owner");
    await rig.settle();
    expect(await works(token, `/v1/reservations/${id}`)).toBe(401);
    const body = { label: "ci", scope: "reservation", reservation_id: id } as const;
    expect(await codeOf(make(alice.api, body))).toBe("not_active");
    for (const bad of [
      { scope: "reservation" },
      { reservation_id: id },
      { label: "a\nb" },
      { expires_in_s: 59 },
    ])
      expect(await codeOf(make(alice.api, { label: "x", ...bad } as CreateToken))).toBe("invalid_input");
  });

  test("X-01 a rotated token is good for 10 more minutes, and its successor for as long as it was made for", async () => {
    const old = await make(alice.api, { label: "ci", expires_in_s: 3600 });
    rig.clock.tick(MINUTE);
    const api = rig.clientFor(old);
    const next = await api.rotateToken({ params: { id: old.id } });
    expect(next).toMatchObject({ label: "ci", scope: "user", state: "live" });
    expect(Date.parse(next.expires_at ?? "") - rig.clock.now().getTime()).toBe(3_600_000);
    expect(await codeOf(api.rotateToken({ params: { id: old.id } }))).toBe("conflict");
    rig.clock.tick(10 * MINUTE - 1);
    expect([await works(old.token), await works(next.token)]).toEqual([200, 200]);
    rig.clock.tick(1);
    expect([await works(old.token), await works(next.token)]).toEqual([401, 200]);
    const { items } = await alice.api.listTokens({ query: { state: "all" } });
    expect(items.find(({ id }) => id === old.id)?.state).toBe("replaced");
    const own = items.find(({ current }) => current)?.id ?? "";
    expect(await codeOf(alice.api.rotateToken({ params: { id: own } }))).toBe("conflict");
    const twice = await make(alice.api, { label: "twice" });
    const both = await Promise.all(
      [1, 2].map(() => codeOf(alice.api.rotateToken({ params: { id: twice.id } }))),
    );
    expect(both.toSorted()).toEqual(["conflict", "ok"]);
  });

  test("A-08 X-01 a repeated request gets the same secret, which is stored nowhere; another token of the user gets none", async () => {
    const body = { label: "ci" };
    const first = await alice.api.createToken({ body, idempotencyKey: "k1" });
    expect(await alice.api.createToken({ body, idempotencyKey: "k1" })).toEqual(first);
    expect(await stored()).not.toContain(first.token.slice(first.prefix.length));
    const other = rig.clientFor(await make(alice.api, { label: "other" }));
    expect(await codeOf(other.createToken({ body, idempotencyKey: "k1" }))).toBe("idempotency_mismatch");
    const user = await root.api.createUser({ body: { name: "carol" }, idempotencyKey: "k2" });
    expect(await root.api.createUser({ body: { name: "carol" }, idempotencyKey: "k2" })).toEqual(user);
    expect(await rig.clientFor(user.token).getMe({})).toMatchObject({ name: "carol" });
  });

  test("A-02 somebody else's token is unknown, but to administrators; pages of a list meet", async () => {
    for (let i = 0; i < 4; i++) await make(alice.api, { label: `t${i}` });
    const { items } = await alice.api.listTokens({ query: {} });
    const bob = await rig.person("bob");
    expect(await codeOf(bob.api.revokeToken({ params: { id: items[0]?.id ?? "" }, query: {} }))).toBe(
      "not_found",
    );
    expect(await codeOf(root.api.rotateToken({ params: { id: items[0]?.id ?? "" } }))).toBe("not_found");
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: { id: string }[]; next_cursor: string | null } = await root.api.listUserTokens({
        params: { id: alice.id },
        query: { limit: "2", ...(cursor === null ? {} : { cursor }) },
      });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(seen).toEqual(items.map(({ id }) => id));
    const other = items.find(({ current }) => !current);
    await root.api.revokeToken({ params: { id: other?.id ?? "" }, query: {} });
    expect((await alice.api.listTokens({ query: {} })).items).toHaveLength(4);
  });

  test("X-01 the last use is written behind the request, once a minute at most, by all servers together", async () => {
    const second = await rig.second();
    const used = async (): Promise<string | null> => {
      await rig.core.tokenUses.written();
      await second.core.tokenUses.written();
      const { items } = await root.api.listUserTokens({ params: { id: alice.id }, query: {} });
      return items[0]?.last_used_at ?? null;
    };
    try {
      await alice.api.getMe({});
      const first = rig.clock.now().toISOString();
      expect(await used()).toBe(first);
      rig.clock.tick(MINUTE - 1);
      await second.clientFor(alice).getMe({});
      expect(await used()).toBe(first);
      rig.clock.tick(1);
      await alice.api.getMe({});
      expect(await used()).toBe(rig.clock.now().toISOString());
    } finally {
      await second.close();
    }
  });

  test("X-01 what an older server stored is as good as it was", async () => {
    const { id } = await issueToken(rig.core, root.id, { label: "old" });
    await rig.core.store.write((tx) =>
      tx.db.updateTable("tokens").set({ prefix: "", last_used_at: null }).where("id", "=", id).execute(),
    );
    const { items } = await root.api.listTokens({ query: {} });
    expect(items.find((token) => token.id === id)).toMatchObject({ prefix: "", expires_at: null });
  });
});
