/** Logins at a real provider of OpenID Connect, through the API. */
import { describe, expect, onTestFinished, test } from "vitest";
import { createOidc } from "../../../src/server/logins/oidc.ts";
import { Service } from "../../../src/server/outside/service.ts";
import { engines } from "../../helpers/engines.ts";
import { CLIENT, startProvider, type TestProvider, visit } from "../../helpers/oidc-provider.ts";
import { done, openLogins, refused, settingsOf } from "./login-client.ts";

const ada = { preferred_username: "Ada", groups: ["gpu"], email: "ada@example.com", email_verified: true };

/** The way to log in at `provider`, with what the configuration says beside its registration. */
function wayTo({ issuer }: TestProvider, given: object) {
  const settings = settingsOf("oidc", {
    title: "Test SSO",
    issuer,
    client_id: CLIENT.id,
    allow: "everyone",
    ...given,
  });
  return createOidc(settings, CLIENT.secret, new Service({ name: "oidc", title: settings.title }));
}

describe.each(engines)("on $engine", (engine) => {
  async function open(settings: object = {}) {
    const provider = await startProvider({
      ada: { ...ada },
      eve: { preferred_username: "eve", groups: ["others"] },
    });
    onTestFinished(() => provider.stop());
    const world = await openLogins(engine, wayTo(provider, settings));
    return {
      ...world,
      provider,
      /** All of a login of this account. */
      async logIn(account: string) {
        const { login, device } = await world.begin();
        await visit(device?.verification_uri_complete ?? "", { login: account });
        world.rig.clock.tick(5000);
        return done(await world.finish(login));
      },
    };
  }

  test("X-02 a device login makes a user, and a token that ends", async () => {
    const { api, begin, finish, rig } = await open();
    expect((await api.listLogins({})).items).toEqual([
      { with: "oidc", title: "Test SSO" },
      { with: "token", title: "a token that you have" },
    ]);
    const { login, device, aws } = await begin();
    expect([device?.interval_s, aws]).toEqual([5, null]);
    expect(device?.verification_uri_complete).toContain(device?.user_code);
    rig.clock.tick(5000);
    expect(await finish(login)).toEqual({ state: "pending", interval_s: 5 });
    await visit(device?.verification_uri ?? "", { login: "ada", user_code: device?.user_code ?? "" });
    expect(await finish(login)).toMatchObject({ state: "pending" });
    rig.clock.tick(5000);
    const { token, user, expires_at } = done(await finish(login));
    expect([user.name, user.role, expires_at]).toEqual(["ada", "user", "2026-01-05T09:00:10.000Z"]);
    expect(await rig.clientFor({ token }).getMe({})).toMatchObject(user);
    rig.clock.tick(3_600_000);
    expect(await refused(rig.clientFor({ token }).getMe({}))).toMatchObject({ code: "not_logged_in" });
    expect((await refused(finish(login))).code).toBe("login_over");
  });

  test("who comes again is the same user, also by another name; a name that another has is an error", async () => {
    const { logIn, provider } = await open();
    const first = await logIn("ada");
    provider.accounts.ada = { ...ada, preferred_username: "augusta" };
    const again = await logIn("ada");
    expect(again.user).toEqual(first.user);
    expect(again.token).not.toBe(first.token);
    provider.accounts.eve = { preferred_username: "ADA" };
    expect(await refused(logIn("eve"))).toMatchObject({
      code: "name_taken",
      detail: expect.stringMatching(/ calls you ada, and another user has that name here$/),
    });
    provider.accounts.eve = { preferred_username: "two words" };
    expect(await refused(logIn("eve"))).toMatchObject({
      code: "not_allowed",
      detail: expect.stringMatching(/calls you "two words", which cannot be a name here: " " is not allowed/),
    });
    provider.accounts.eve = {};
    expect((await refused(logIn("eve"))).detail).toContain("there is no claim preferred_username");
  });

  test("only whom the rules name comes in: by group, by address and domain where these are verified", async () => {
    const { logIn, provider } = await open({ allow: { groups: ["gpu"], domains: ["example.com"] } });
    expect((await logIn("ada")).user.name).toBe("ada");
    expect(await refused(logIn("eve"))).toMatchObject({
      code: "not_allowed",
      detail: "Test SSO knows you as eve, who may not log in here",
    });
    provider.accounts.eve = { preferred_username: "eve", email: "Eve@Example.com", email_verified: false };
    expect((await refused(logIn("eve"))).code).toBe("not_allowed");
    provider.accounts.eve = { preferred_username: "eve", email: "Eve@Example.com", email_verified: true };
    expect((await logIn("eve")).user).toMatchObject({ name: "eve", role: "user" });
  });

  test("a group makes administrators, and takes that away again; the last one stays one", async () => {
    const { logIn, provider, rig } = await open({ admins: { groups: ["gpu"] } });
    expect((await logIn("ada")).user.role).toBe("admin");
    provider.accounts.ada = { ...ada, groups: [] };
    expect((await logIn("ada")).user.role).toBe("admin");
    await rig.person("root", "admin");
    expect((await logIn("ada")).user.role).toBe("user");
  });

  test("who refuses at the provider, and who is disabled here, does not get in", async () => {
    const { begin, finish, logIn, rig } = await open();
    const { login, device } = await begin();
    await visit(device?.verification_uri_complete ?? "", { login: "ada", abort: true });
    rig.clock.tick(5000);
    expect(await refused(finish(login))).toMatchObject({
      code: "not_allowed",
      detail: "the login was refused at Test SSO",
    });
    expect((await refused(finish(login))).code).toBe("login_over");
    const { user } = await logIn("ada");
    const root = await rig.person("root", "admin");
    await root.api.patchUser({ params: { id: user.id }, body: { disabled: true } });
    expect(await refused(logIn("ada"))).toMatchObject({
      code: "not_allowed",
      detail: "ada is disabled here",
    });
  });

  test("a code that is too old, and a login that nobody began, are over", async () => {
    const { api, begin, finish, rig } = await open();
    const { login } = await begin();
    rig.clock.tick(600_000);
    expect((await refused(finish(login))).code).toBe("login_over");
    expect((await refused(finish("x".repeat(43)))).code).toBe("login_over");
    expect(await refused(api.beginLogin({ body: { with: "github" } }))).toMatchObject({
      code: "invalid_input",
      detail: "this server offers no login with github; it offers oidc, token",
    });
  });

  test("B-10 a provider that is down is named, and a login that it knows goes on when it is back", async () => {
    const { begin, finish, provider, rig } = await open();
    const { login } = await begin();
    await provider.stop();
    rig.clock.tick(5000);
    expect(await refused(finish(login))).toMatchObject({
      code: "unavailable",
      detail: expect.stringMatching(/^Test SSO cannot be asked now: /),
    });
    expect((await refused(begin())).code).toBe("unavailable");
    await provider.start();
    rig.clock.tick(5000);
    expect((await finish(login)).state).toBe("pending");
  });

  test("logins that are begun and not finished are bounded", async () => {
    const { begin, finish, rig } = await open();
    const { login } = await begin();
    await rig.core.store.write(async (tx) => {
      const row = await tx.db.selectFrom("logins").selectAll().executeTakeFirstOrThrow();
      for (let i = 1; i < 1000; i++)
        await tx.db
          .insertInto("logins")
          .values({ ...row, hash: `${i}` })
          .execute();
    });
    expect(await refused(begin())).toMatchObject({ code: "too_many_logins", retryable: true });
    expect((await finish(login)).state).toBe("pending");
    rig.clock.tick(600_000);
    expect((await begin()).with).toBe("oidc");
  });
});
