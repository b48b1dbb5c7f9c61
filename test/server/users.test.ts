/** Users as administrators have them, on both engines. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openPeopledRig, type Person } from "./rig.ts";

describe.each(engines)("users on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let root: Person;
  beforeEach(async () => {
    ({ rig, alice, root } = await openPeopledRig(engine));
  });
  afterEach(() => rig.close());

  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => "ok",
      (error: { problem: { code: string } }) => error.problem.code,
    );
  const patch = (id: string, body: { role?: "user" | "admin"; disabled?: boolean; cancel?: boolean }) =>
    root.api.patchUser({ params: { id }, body });
  const keysOf = (id: string): readonly string[] | undefined =>
    rig.driver.pods.get(`${id}-1`)?.updates.findLast((update) => update.authorizedKeys)?.authorizedKeys;
  const reserve = async (): Promise<string> => {
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    return id;
  };

  test("a user is added once, with a first token of the role's rights, under a name by one rule", async () => {
    const { user, token } = await root.api.createUser({ body: { name: "ada@lab.example", role: "admin" } });
    expect(user).toMatchObject({ role: "admin", disabled_at: null, live_tokens: 1, live_reservations: 0 });
    expect(await rig.clientFor(token).getMe({})).toMatchObject({ id: user.id, role: "admin" });
    expect(await codeOf(root.api.createUser({ body: { name: "alice" } }))).toBe("name_taken");
    for (const name of ["", "Alice", "-a", "a-", "a b", "github:a", "a\n", "é", "x".repeat(101)])
      expect(await codeOf(root.api.createUser({ body: { name } }))).toBe("invalid_input");
    const { items } = await root.api.listUsers({ query: { limit: "2" } });
    expect(items.map(({ name }) => name)).toEqual(["ada@lab.example", "alice"]);
    expect((await root.api.listUsers({ query: { name: "alice" } })).items).toHaveLength(1);
    expect((await root.api.listUsers({ query: { name: "nobody" } })).items).toEqual([]);
  });

  test("A-08 one request that is sent twice at one moment makes one thing, and both get the answer", async () => {
    for (let i = 0; i < 5; i++) {
      const user = () => root.api.createUser({ body: { name: `twin-${i}` }, idempotencyKey: `u${i}` });
      const team = () => root.api.createTeam({ body: { name: `team-${i}` }, idempotencyKey: `t${i}` });
      const [one, other] = await Promise.all([user(), user()]);
      expect(other).toEqual(one);
      const [first, second] = await Promise.all([team(), team()]);
      expect(second).toEqual(first);
    }
  });

  test("X-01 a disabled user's tokens are good for nothing until the user is enabled again; what runs goes on", async () => {
    const id = await reserve();
    expect((await patch(alice.id, { disabled: true })).disabled_at).toBe(rig.clock.now().toISOString());
    expect(await codeOf(alice.api.getMe({}))).toBe("not_logged_in");
    await rig.settle();
    // Nor do their keys open a pod for who can reach its sshd.
    expect(keysOf(id)).toEqual([]);
    expect(await root.api.getUser({ params: { id: alice.id } })).toMatchObject({ live_reservations: 1 });
    await patch(alice.id, { disabled: false });
    await rig.settle();
    expect(keysOf(id)).toHaveLength(1);
    expect((await alice.api.getReservation({ params: { id } })).state).toBe("active");
  });

  test("with cancel, all that a disabled user has reserved ends", async () => {
    const ids = [await reserve(), await reserve()];
    await patch(alice.id, { disabled: true, cancel: true });
    await rig.settle();
    await patch(alice.id, { disabled: false });
    for (const id of ids)
      expect(await alice.api.getReservation({ params: { id } })).toMatchObject({
        state: "cancelled",
        reason: "alice was disabled",
      });
    expect(await codeOf(patch(alice.id, { cancel: true }))).toBe("invalid_input");
    expect(await codeOf(patch(alice.id, {}))).toBe("invalid_input");
  });

  test("A-15 who is no administrator any more has no such rights, nor a way to read the metrics", async () => {
    const { id, token: metrics } = await root.api.createToken({ body: { label: "m", scope: "metrics" } });
    await patch(alice.id, { role: "admin" });
    // Her token was made for a user.
    expect(await codeOf(alice.api.listUsers({ query: {} }))).toBe("not_allowed");
    const other = await root.api.createUserToken({
      params: { id: alice.id },
      body: { label: "admin", scope: "admin" },
    });
    const elevated = rig.clientFor(other);
    expect(await codeOf(elevated.patchUser({ params: { id: root.id }, body: { role: "user" } }))).toBe("ok");
    expect(await codeOf(root.api.listUsers({ query: {} }))).toBe("not_allowed");
    expect((await rig.request({ token: metrics }, "/metrics", {})).status).toBe(401);
    const { items } = await elevated.listAudit({ query: { action: "token.revoke" } });
    expect(items).toMatchObject([{ actor: alice.id, subject: id, data: { user_id: root.id } }]);
    expect(await root.api.getMe({})).toMatchObject({ role: "user" });
  });

  test("the last administrator can neither be disabled nor demoted, also by two at the same moment", async () => {
    expect(await codeOf(patch(root.id, { role: "user" }))).toBe("last_administrator");
    expect(await codeOf(patch(root.id, { disabled: true }))).toBe("last_administrator");
    const { user, token } = await root.api.createUser({ body: { name: "second", role: "admin" } });
    const second = rig.clientFor(token);
    const codes = await Promise.all([
      codeOf(patch(user.id, { role: "user" })),
      codeOf(second.patchUser({ params: { id: root.id }, body: { disabled: true } })),
    ]);
    expect(codes.filter((code) => code === "ok")).toHaveLength(1);
    const left = await rig.core.store.read((db) =>
      db
        .selectFrom("users")
        .select("name")
        .where("role", "=", "admin")
        .where("disabled_at", "is", null)
        .execute(),
    );
    expect(left).toHaveLength(1);
  });
});
