/** Logins that are linked to users who are there already, and those that are refused; on both engines. */
import { describe, expect, onTestFinished, test } from "vitest";
import { Problem } from "../../../src/api/errors.ts";
import { finishLogin } from "../../../src/core/logins/finish.ts";
import { type Identity, LoginRefused } from "../../../src/core/logins/providers.ts";
import { engines } from "../../helpers/engines.ts";
import { made } from "../../helpers/made.ts";
import { openRig, type Person } from "../rig.ts";
import { createFakeProvider, ISSUER, known } from "./fake-provider.ts";
import { done, refused } from "./login-client.ts";

describe.each(engines)("on $engine", (engine) => {
  async function open() {
    const provider = createFakeProvider();
    const rig = await openRig(engine, { logins: { providers: [provider], tokenTtlS: 3600 } });
    onTestFinished(() => rig.close());
    const [alice, root] = [await rig.person("alice"), await rig.person("root", "admin")];
    const begin = async (says: Identity | Error): Promise<{ login: string }> => {
      const { login } = await alice.api.beginLogin({ body: { with: "oidc" } });
      provider.says = says;
      rig.clock.tick(5000);
      return { login };
    };
    return {
      rig,
      alice,
      root,
      logIn: async (says: Identity | Error) => done(await alice.api.finishLogin({ body: await begin(says) })),
      async link(who: Person, says: Identity | Error) {
        const result = await who.api.linkIdentity({ body: await begin(says) });
        return result.state === "done" ? result.identity : expect.fail("it is pending");
      },
      async audited(action: string) {
        await rig.core.refusals.written();
        return (await root.api.listAudit({ query: { action } })).items;
      },
    };
  }

  test("X-02 a login whose name is taken becomes its user's once that user links it, and nobody's without", async () => {
    const { alice, audited, link, logIn, rig } = await open();
    const problem = await refused(logIn(known("alice")));
    expect(problem).toMatchObject({ code: "name_taken", hint: expect.stringContaining("identity link") });
    const linked = await link(alice, known("alice"));
    expect(linked).toMatchObject({
      ...{ with: "oidc", provider: ISSUER, subject: "sub-of-alice", name: "alice" },
      ...{ user_id: alice.id, made_by: alice.id },
    });
    expect((await alice.api.listIdentities({})).items).toEqual([linked]);
    const { token, user } = await logIn(known("called otherwise by now", { subject: "sub-of-alice" }));
    expect(user).toMatchObject({ id: alice.id, name: "alice" });
    expect(await rig.clientFor({ token }).getMe({})).toMatchObject({ id: alice.id });
    expect(await link(alice, known("alice"))).toEqual(linked);
    expect(await audited("identity.create")).toMatchObject([
      { actor_name: "alice", subject: alice.id, data: { provider: ISSUER, subject: "sub-of-alice" } },
    ]);
  });

  test("X-02 who unlinks a login ends what came of it", async () => {
    const { alice, audited, link, logIn, rig } = await open();
    const { id } = await link(alice, known("alice"));
    const session = rig.clientFor(await logIn(known("alice")));
    const child = await session.createToken({ body: { label: "made with it" } });
    expect(child.expires_at).toBe("2026-01-05T09:00:10.000Z");
    expect(await alice.api.unlinkIdentity({ params: { id }, query: {} })).toMatchObject({
      ...{ id, also_revoked: made(2), left: made(0) },
    });
    for (const api of [session, rig.clientFor(child)])
      expect((await refused(api.getMe({}))).code).toBe("not_logged_in");
    expect((await refused(logIn(known("alice")))).code).toBe("name_taken");
    expect((await refused(alice.api.unlinkIdentity({ params: { id }, query: {} }))).code).toBe("not_found");
    expect(await audited("identity.delete")).toMatchObject([{ actor_name: "alice", subject: alice.id }]);
  });

  test("X-01 X-02 with a token that is revoked goes every login that was linked with it", async () => {
    const { alice, link, logIn, rig } = await open();
    const stolen = await alice.api.createToken({ body: { label: "stolen" } });
    const child = await rig.clientFor(stolen).createToken({ body: { label: "more" } });
    const thief = { ...alice, api: rig.clientFor(child) };
    await link(thief, known("mallory"));
    const inside = rig.clientFor(await logIn(known("mallory")));
    expect((await inside.getMe({})).id).toBe(alice.id);
    const again = { ...alice, api: inside };
    await link(again, known("mallory's other one"));
    const revoked = await alice.api.revokeToken({ params: { id: stolen.id }, query: {} });
    expect(revoked).toMatchObject({ also_revoked: made(2, 2), left: made(0) });
    expect((await refused(inside.getMe({}))).code).toBe("not_logged_in");
    expect((await alice.api.listIdentities({})).items).toEqual([]);
    expect((await logIn(known("mallory"))).user).toMatchObject({ name: "mallory" });
  });

  test("X-01 X-02 what an administrator linked and made for others stays with these, until it is asked for", async () => {
    const { alice, link, logIn, rig, root } = await open();
    const laptop = await root.api.createToken({ body: { label: "laptop", scope: "admin" } });
    const atLaptop = { ...root, api: rig.clientFor(laptop) };
    await link(atLaptop, known("root"));
    const params = { id: alice.id };
    const body = { with: "oidc", subject: "sub-of-alice" } as const;
    await atLaptop.api.linkUserIdentity({ params, body });
    const [session, hers] = [rig.clientFor(await logIn(known("root"))), await logIn(known("alice"))];
    const { token: first } = await session.createUser({ body: { name: "carol" } });
    const good = async (...some: { token: string }[]) =>
      Promise.all(some.map(async (one) => (await rig.request(one, "/v1/me", {})).status === 200));
    const others = { others: { tokens: 2, logins: 1, users: 2 } };
    const revoke = (query: { made?: "all" }) => root.api.revokeToken({ params: { id: laptop.id }, query });
    expect(await revoke({})).toMatchObject({ also_revoked: made(1, 1), left: { ...made(0), ...others } });
    expect((await refused(session.getMe({}))).code).toBe("not_logged_in");
    expect((await root.api.listIdentities({})).items).toEqual([]);
    expect((await alice.api.listIdentities({})).items).toHaveLength(1);
    expect(await good(hers, first)).toEqual([true, true]);
    // Carol's, too, though she was added by who came in with a login that is linked no more.
    const all = await revoke({ made: "all" });
    expect(all).toMatchObject({ also_revoked: { ...made(0), ...others }, left: made(0) });
    expect((await alice.api.listIdentities({})).items).toEqual([]);
    expect(await good(hers, first)).toEqual([false, false]);
  });

  test("X-01 X-02 a token is not forgotten while a login is there that was linked with it", async () => {
    const { alice, link, rig } = await open();
    const old = await alice.api.createToken({ body: { label: "old", expires_in_s: 3600 } });
    await link({ ...alice, api: rig.clientFor(old) }, known("alice"));
    const ids = async () =>
      (await alice.api.listTokens({ query: { state: "all" } })).items.map(({ id }) => id);
    // The sweep comes at the minute, after what is due.
    for (const ms of [92 * 86_400_000, 61_000]) {
      rig.clock.tick(ms);
      await rig.settle();
    }
    expect(await ids()).toContain(old.id);
    const { also_revoked } = await alice.api.revokeToken({ params: { id: old.id }, query: {} });
    expect(also_revoked).toEqual(made(0, 1));
    for (const ms of [92 * 86_400_000, 61_000]) {
      rig.clock.tick(ms);
      await rig.settle();
    }
    expect(await ids()).not.toContain(old.id);
  });

  test("X-01 X-02 who unlinks an administrator's login leaves whom that added, unless told otherwise", async () => {
    const { alice, link, logIn, rig, root } = await open();
    const add = async (name: string) => {
      const { id } = await link(root, known("root"));
      const session = rig.clientFor(await logIn(known("root")));
      const { token } = (await session.createUser({ body: { name } })).token;
      return { id, token };
    };
    const [left, works] = [await add("carol"), (one: { token: string }) => rig.clientFor(one).getMe({})];
    const unlink = (query: { made?: "all" }, id: string, who = root) =>
      who.api.unlinkIdentity({ params: { id }, query });
    const one = { others: { tokens: 1, logins: 0, users: 1 } };
    expect(await unlink({}, left.id)).toMatchObject({ also_revoked: made(1), left: { ...made(0), ...one } });
    expect(await works(left)).toMatchObject({ name: "carol" });
    const gone = await add("dave");
    expect(await unlink({ made: "all" }, gone.id)).toMatchObject({ also_revoked: { ...made(1), ...one } });
    expect((await refused(works(gone))).code).toBe("not_logged_in");
    const { id } = await link(alice, known("alice"));
    expect((await refused(unlink({ made: "all" }, id, alice))).code).toBe("not_allowed");
    expect((await alice.api.listIdentities({})).items).toHaveLength(1);
  });

  test("X-02 a login leads to one user, and one that many share to nobody in particular", async () => {
    const { alice, audited, link, logIn, rig } = await open();
    const { user } = await logIn(known("bob"));
    expect(await refused(link(alice, known("bob")))).toMatchObject({ code: "conflict" });
    expect((await logIn(known("bob"))).user).toEqual(user);
    const role = known("gpu-dev", { provider: "aws", shared: true });
    expect(await refused(link(alice, role))).toMatchObject({
      code: "not_allowed",
      detail: expect.stringContaining("all who have that role would become you"),
    });
    expect(await audited("login.refuse")).toMatchObject([
      { actor_name: "alice", subject: "gpu-dev", outcome: "not_allowed", data: { provider: "aws" } },
      { actor_name: "alice", subject: "bob", outcome: "conflict" },
    ]);
    const bobs = rig.clientFor(await logIn(known("bob")));
    const [own] = (await bobs.listIdentities({})).items;
    const foreign = alice.api.unlinkIdentity({ params: { id: own?.id ?? "" }, query: {} });
    expect((await refused(foreign)).code).toBe("not_found");
    for (let i = 0; i < 20; i++) await link(alice, known(`one-${i}`));
    expect((await refused(link(alice, known("one too many")))).code).toBe("conflict");
  });

  test("X-02 a token that has less rights than its user links nothing: the login would have all of them", async () => {
    const { link, rig, root } = await open();
    const lesser = await root.api.createToken({ body: { label: "ci", scope: "user" } });
    const refusal = await refused(link({ ...root, api: rig.clientFor(lesser) }, known("mallory")));
    expect(refusal).toMatchObject({ code: "not_allowed", detail: expect.stringContaining("less rights") });
    expect((await root.api.listIdentities({})).items).toEqual([]);
    expect(await link(root, known("root"))).toMatchObject({ user_id: root.id });
  });

  test("X-07 guesses at logins never take the writer of the database", async () => {
    const { alice, rig } = await open();
    let writes = 0;
    const { store } = rig.core;
    const counting = {
      ...store,
      write: (...given: Parameters<typeof store.write>) => ++writes && store.write(...given),
    };
    const core = { ...rig.core, store: counting } as typeof rig.core;
    await expect(finishLogin(core, { login: "guess" })).rejects.toMatchObject({ code: "login_over" });
    expect(writes).toBe(0);
    const { login } = await alice.api.beginLogin({ body: { with: "oidc" } });
    expect(await finishLogin(core, { login })).toMatchObject({ state: "pending" });
    expect(writes).toBe(1);
  });

  test("X-02 an administrator links and unlinks by what the provider never gives to another", async () => {
    const { alice, audited, logIn, root } = await open();
    const params = { id: alice.id };
    const subject = "sub-of-alice";
    const linked = await root.api.linkUserIdentity({ params, body: { with: "oidc", subject } });
    expect(linked).toMatchObject({ user_id: alice.id, made_by: root.id, name: null, subject });
    expect(await root.api.linkUserIdentity({ params, body: { with: "oidc", subject } })).toEqual(linked);
    expect((await logIn(known("alice"))).user.id).toBe(alice.id);
    expect((await root.api.listUserIdentities({ params })).items).toEqual([linked]);
    expect(await audited("identity.create")).toMatchObject([{ actor_name: "root", subject: alice.id }]);
    for (const body of [
      { with: "github", subject: "octocat" },
      { with: "aws", subject: "AROAX" },
    ] as const)
      expect((await refused(root.api.linkUserIdentity({ params, body }))).code).toBe("invalid_input");
    const other = { params: { id: root.id }, body: { with: "oidc", subject } } as const;
    expect((await refused(root.api.linkUserIdentity(other))).code).toBe("conflict");
    const gone = { params: { ...params, identity: linked.id }, query: {} };
    expect(await root.api.unlinkUserIdentity(gone)).toMatchObject({ also_revoked: made(1) });
    expect((await refused(root.api.unlinkUserIdentity(gone))).code).toBe("not_found");
    expect((await refused(alice.api.listUserIdentities({ params }))).code).toBe("not_allowed");
  });

  test("O-03 refused logins are in the audit trail: who was claimed, and why", async () => {
    const { audited, logIn, rig, root } = await open();
    const eve = known("eve\u0000\u001b[31m");
    const no = new LoginRefused(
      eve,
      "not_allowed",
      "Test SSO knows you as eve, who may not log in here",
      "ask",
    );
    await refused(logIn(no));
    await refused(logIn(known("alice")));
    await refused(logIn(new Problem("not_allowed", "the login was refused at Test SSO")));
    await root.api.patchUser({
      params: { id: (await logIn(known("bob"))).user.id },
      body: { disabled: true },
    });
    await refused(logIn(known("bob")));
    expect(
      await refused(rig.clientFor({ token: "none" }).finishLogin({ body: { login: "guess" } })),
    ).toMatchObject({
      code: "login_over",
    });
    const entries = await audited("login.refuse");
    expect(
      entries
        .map(({ actor, subject, outcome, data }) => [actor, subject, outcome, data?.subject ?? null])
        .toSorted(),
    ).toEqual([
      ["anonymous", "alice", "name_taken", "sub-of-alice"],
      ["anonymous", "bob", "not_allowed", "sub-of-bob"],
      ["anonymous", "eve??[31m", "not_allowed", eve.subject],
      ["anonymous", "nobody who is known", "login_over", null],
      ["anonymous", "nobody who is known", "not_allowed", null],
    ]);
    expect(await audited("access.refuse")).toEqual([]);
  });
});
