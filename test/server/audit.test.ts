/** What the audit trail has of what is asked of the API, on both engines. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AuditEntry } from "../../src/api/audit.ts";
import { type RouteName, routes } from "../../src/api/routes.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { h100 } from "../helpers/fake-driver.ts";
import { createFakeProvider, type FakeProvider, known } from "./logins/fake-provider.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

type Changing = Exclude<
  { [R in RouteName]: (typeof routes)[R]["method"] extends "GET" ? never : R }[RouteName],
  // It says what would be, and changes nothing.
  "planReservation"
>;

const LOGIN = { host: "registry.test:5000", username: "ann", password: "pass-word-of-ann" };
/** An empty tar file. */
const CONTEXT = new Uint8Array(1024);
const BUILD = {
  digest: createHash("sha256").update(CONTEXT).digest("hex"),
  bytes: CONTEXT.length,
  dockerfile: "Dockerfile",
};
/** Whose doing it is, where it is not the administrator's who asks. */
const ACTORS: Partial<Record<string, string>> = { beginLogin: "anonymous", finishLogin: "ada" };

interface Scene {
  readonly rig: ApiRig;
  readonly root: Person;
  reserve(): Promise<string>;
  /** A login that was begun, and that Ada has finished at her provider. */
  login(): Promise<string>;
  /** A disk that is ready, with a snapshot. */
  disk(): Promise<{ id: string; snapshot: string }>;
}

/** For each route that changes something: what has to be there, and then the call, with what it does it to. */
const CHANGES: Record<Changing, (scene: Scene) => Promise<() => Promise<unknown>>> = {
  createReservation: async ({ reserve }) => reserve,
  patchReservation: async ({ root, reserve }) => {
    const params = { id: await reserve() };
    return () => root.api.patchReservation({ params, body: { name: "other" } });
  },
  liftReservation: async ({ root, reserve }) => {
    const params = { id: await reserve() };
    return () => root.api.liftReservation({ params, body: { extend_s: 60, reason: "a demo" } });
  },
  cancelReservation: async ({ root, reserve }) => {
    const params = { id: await reserve() };
    return () => root.api.cancelReservation({ params });
  },
  cordonNode: async ({ root }) => {
    const params = { node: (await root.api.listNodes({ query: {} })).items[0]?.name ?? "" };
    return () => root.api.cordonNode({ params });
  },
  uncordonNode: async ({ root }) => {
    const params = { node: (await root.api.listNodes({ query: {} })).items[0]?.name ?? "" };
    await root.api.cordonNode({ params });
    return () => root.api.uncordonNode({ params });
  },
  forgetNode: async ({ rig, root }) => {
    rig.driver.nodes = [...rig.driver.nodes, { ...h100(1, "gone"), host: "gone", healthy: false }];
    rig.driver.unasked = [{ host: "gone", why: "no answer in time" }];
    await syncCapacity(rig.core);
    rig.clock.tick(180_000);
    return () => root.api.forgetNode({ params: { node: "gone" } });
  },
  setRegistry:
    async ({ root }) =>
    () =>
      root.api.setRegistry({ body: LOGIN }),
  removeRegistry: async ({ root }) => {
    await root.api.setRegistry({ body: LOGIN });
    return () => root.api.removeRegistry({ params: { host: LOGIN.host } });
  },
  createBuild:
    async ({ root }) =>
    () =>
      root.api.createBuild({ body: BUILD }),
  uploadContext: async ({ root }) => {
    const { id } = await root.api.createBuild({ body: BUILD });
    return () => root.api.uploadContext({ params: { id }, query: {}, body: CONTEXT });
  },
  createDisk:
    async ({ root }) =>
    () =>
      root.api.createDisk({ body: { name: "fresh" } }),
  patchDisk: async ({ root, disk }) => {
    const { id } = await disk();
    return () => root.api.patchDisk({ params: { id }, body: { name: "renamed" } });
  },
  deleteDisk: async ({ root, disk }) => {
    const { id } = await disk();
    return () => root.api.deleteDisk({ params: { id } });
  },
  undeleteDisk: async ({ root, disk }) => {
    const { id } = await disk();
    await root.api.deleteDisk({ params: { id } });
    return () => root.api.undeleteDisk({ params: { id }, body: {} });
  },
  resizeDisk: async ({ root, disk }) => {
    const { id } = await disk();
    return () => root.api.resizeDisk({ params: { id }, body: { size_bytes: 200e9 } });
  },
  cloneDisk: async ({ root, disk }) => {
    const { id } = await disk();
    return () => root.api.cloneDisk({ params: { id }, body: { name: "clone" } });
  },
  restoreDisk: async ({ root, disk }) => {
    const { id, snapshot } = await disk();
    return () => root.api.restoreDisk({ params: { id }, body: { snapshot, as: "restored" } });
  },
  unlockDisk: async ({ rig, root, disk }) => {
    const { id } = await disk();
    const name = (await root.api.getDisk({ params: { id } })).name;
    const body = { gpu_type: "h100", duration_s: 3600, disk: name };
    const reservation = await root.api.createReservation({ body });
    await rig.settle();
    rig.driver.faults.set("terminate", new DriverError("its end hangs"));
    await root.api.cancelReservation({ params: { id: reservation.id } });
    return () => root.api.unlockDisk({ params: { id } });
  },
  createSnapshot: async ({ root, disk }) => {
    const { id } = await disk();
    return () => root.api.createSnapshot({ params: { id }, body: {} });
  },
  createKey:
    async ({ root }) =>
    () =>
      root.api.createKey({ body: { public_key: newKeyPair().publicKey } }),
  deleteKey: async ({ root }) => {
    const id = (await root.api.listKeys({ query: {} })).items[0]?.id ?? "";
    return () => root.api.deleteKey({ params: { id } });
  },
  createToken:
    async ({ root }) =>
    () =>
      root.api.createToken({ body: { label: "x" } }),
  revokeToken: async ({ root }) => {
    const { id } = await root.api.createToken({ body: { label: "x" } });
    return () => root.api.revokeToken({ params: { id }, query: {} });
  },
  rotateToken: async ({ root }) => {
    const { id } = await root.api.createToken({ body: { label: "x" } });
    return () => root.api.rotateToken({ params: { id } });
  },
  createUserToken: async ({ rig, root }) => {
    const { id } = await rig.person("eve");
    return () => root.api.createUserToken({ params: { id }, body: { label: "x" } });
  },
  createUser:
    async ({ root }) =>
    () =>
      root.api.createUser({ body: { name: "new" } }),
  createTeam:
    async ({ root }) =>
    () =>
      root.api.createTeam({ body: { name: "vision" } }),
  deleteTeam: async ({ root }) => {
    await root.api.createTeam({ body: { name: "vision" } });
    return () => root.api.deleteTeam({ params: { team: "vision" } });
  },
  addMember: async ({ root }) => {
    await root.api.createTeam({ body: { name: "vision" } });
    return () => root.api.addMember({ params: { team: "vision" }, body: { user: "root" } });
  },
  removeMember: async ({ root }) => {
    await root.api.createTeam({ body: { name: "vision" } });
    await root.api.addMember({ params: { team: "vision" }, body: { user: "root" } });
    return () => root.api.removeMember({ params: { team: "vision", user: "root" } });
  },
  setQuota:
    async ({ root }) =>
    () =>
      root.api.setQuota({ body: { default: true, gpus: 8 } }),
  beginLogin:
    async ({ root }) =>
    () =>
      root.api.beginLogin({ body: { with: "oidc" } }),
  finishLogin: async ({ root, login }) => {
    const body = { login: await login() };
    return () => root.api.finishLogin({ body });
  },
  linkIdentity: async ({ root, login }) => {
    const body = { login: await login() };
    return () => root.api.linkIdentity({ body });
  },
  unlinkIdentity: async ({ root, login }) => {
    await root.api.linkIdentity({ body: { login: await login() } });
    const id = (await root.api.listIdentities({})).items[0]?.id ?? "";
    return () => root.api.unlinkIdentity({ params: { id }, query: {} });
  },
  linkUserIdentity: async ({ rig, root }) => {
    const { id } = await rig.person("eve");
    return () => root.api.linkUserIdentity({ params: { id }, body: { with: "oidc", subject: "248289" } });
  },
  unlinkUserIdentity: async ({ rig, root }) => {
    const { id } = await rig.person("eve");
    const body = { with: "oidc", subject: "248289" } as const;
    const { id: identity } = await root.api.linkUserIdentity({ params: { id }, body });
    return () => root.api.unlinkUserIdentity({ params: { id, identity }, query: {} });
  },
  patchUser: async ({ rig, root }) => {
    const { id } = await rig.person("eve");
    return () => root.api.patchUser({ params: { id }, body: { disabled: true } });
  },
};

describe.each(engines)("the audit trail on $engine", (engine) => {
  let rig: ApiRig;
  let root: Person;
  let provider: FakeProvider;
  beforeEach(async () => {
    provider = createFakeProvider();
    rig = await openRig(engine, { logins: { providers: [provider], tokenTtlS: 3600 } });
    root = await rig.person("root", "admin");
  });
  afterEach(() => rig.close());

  const trail = async (query: Parameters<typeof root.api.listAudit>[0]["query"]): Promise<AuditEntry[]> => {
    await rig.core.refusals.written();
    return (await root.api.listAudit({ query: { limit: "500", ...query } })).items;
  };
  const scene = (): Scene => ({
    rig,
    root,
    async reserve() {
      const { id } = await root.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
      await rig.settle();
      return id;
    },
    async login() {
      const { login } = await root.api.beginLogin({ body: { with: "oidc" } });
      provider.says = known("ada");
      rig.clock.tick(5000);
      return login;
    },
    async disk() {
      const { disk_id: id } = await root.api.createDisk({ body: { name: "work" } });
      await rig.settle();
      const { snapshot_id } = await root.api.createSnapshot({ params: { id }, body: {} });
      await rig.settle();
      return { id, snapshot: snapshot_id ?? "" };
    },
  });

  test.each(Object.entries(CHANGES))("O-03 %s writes who did what to what", async (route, prepare) => {
    const change = await prepare(scene());
    const before = new Set((await trail({})).map(({ id }) => id));
    await change();
    const actor_name = ACTORS[route] ?? "root";
    const written = (await trail({ user: actor_name })).filter(({ id }) => !before.has(id));
    expect(written.length).toBeGreaterThan(0);
    for (const entry of written)
      expect(entry).toMatchObject({
        at: rig.clock.now().toISOString(),
        actor_name,
        action: expect.stringMatching(/^[a-z]+\.[a-z]/),
        subject: expect.stringMatching(/./),
        outcome: "ok",
        request_id: expect.any(String),
      });
  });

  test("O-03 every route that is no GET is in the table above, or changes nothing", () => {
    const changing = Object.entries(routes).filter(([, route]) => route.method !== "GET");
    const left = changing.filter(([name]) => !(name in CHANGES)).map(([name]) => name);
    expect(left.toSorted()).toEqual(["planReservation"]);
  });

  test("O-03 an entry has the address and the request that it was asked by; the reconciler's have none", async () => {
    const url = await rig.listen();
    const response = await fetch(`${url}/v1/reservations`, {
      method: "POST",
      headers: { authorization: `Bearer ${root.token}`, "content-type": "application/json" },
      body: JSON.stringify({ gpu_type: "h100", duration_s: 3600 }),
    });
    const { id: reservation } = (await response.json()) as { id: string };
    await rig.settle();
    const [active, created] = [
      await trail({ reservation, action: "reservation.active" }),
      await trail({ reservation, action: "reservation.created" }),
    ];
    expect(created).toMatchObject([
      { from: "127.0.0.1", request_id: response.headers.get("x-request-id"), actor_name: "root" },
    ]);
    expect(active).toMatchObject([{ from: null, request_id: null, actor: "system", actor_name: "system" }]);
  });

  test("O-03 it is found by user, action, reservation, outcome and time, alone and together, page by page", async () => {
    const { api } = await rig.person("bob");
    rig.clock.tick(60_000);
    const since = rig.clock.now().toISOString();
    const { id } = await api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    rig.clock.tick(60_000);
    const until = rig.clock.now().toISOString();
    await api.cancelReservation({ params: { id } });
    // What the reconciler makes of that is an entry, too: it must not come between two pages.
    await rig.settle();
    const actions = async (query: Parameters<typeof trail>[0]) =>
      (await trail(query)).map(({ action }) => action);
    expect(await actions({ user: "bob" })).toEqual([
      "reservation.ending",
      "reservation.created",
      "key.create",
    ]);
    expect(await actions({ user: "bob", since, until })).toEqual(["reservation.created"]);
    expect(await actions({ reservation: id, until: since })).toEqual([]);
    expect(await actions({ user: "bob", reservation: id, action: "reservation.ending" })).toHaveLength(1);
    expect(await actions({ user: "bob", outcome: "not_allowed" })).toEqual([]);
    const whole = await trail({});
    const pages: AuditEntry[] = [];
    let cursor: string | null = null;
    do {
      const page: { items: AuditEntry[]; next_cursor: string | null } = await root.api.listAudit({
        query: { limit: "3", ...(cursor === null ? {} : { cursor }) },
      });
      pages.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null);
    expect(pages).toEqual(whole);
    expect(whole.map(({ at }) => at)).toEqual(
      whole
        .map(({ at }) => at)
        .toSorted()
        .toReversed(),
    );
  });

  test("A-10 an end before its beginning, and a user or an action that cannot be, are refused", async () => {
    const code = async (query: object) =>
      (await rig.request(root, `/v1/audit?${new URLSearchParams({ ...query })}`, {})).status;
    const [early, late] = ["2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"];
    expect(await code({ since: late, until: early })).toBe(400);
    expect(await code({ since: early, until: late })).toBe(200);
    expect(await code({ since: "yesterday" })).toBe(400);
    expect(await code({ action: "'; drop table audit" })).toBe(400);
    expect(await code({ user: "nobody-here" })).toBe(404);
    for (const user of ["system", "pod", "anonymous"]) expect(await code({ user })).toBe(200);
  });

  test("O-03 who is refused is in it, the same once a minute", async () => {
    const bob = await rig.person("bob");
    for (let i = 0; i < 5; i++) await rig.request(bob, "/v1/users", {});
    await rig.request({ token: `gd_${"a".repeat(43)}` }, "/v1/me", {});
    await bob.api.getMe({});
    const refused = await trail({ action: "access.refuse" });
    expect(
      refused.map(({ actor_name, subject, outcome }) => [actor_name, subject, outcome]).toSorted(),
    ).toEqual([
      ["anonymous", "GET /v1/me", "not_logged_in"],
      ["bob", "GET /v1/users", "not_allowed"],
    ]);
    expect(await trail({ outcome: "not_allowed" })).toHaveLength(1);
    expect(JSON.stringify(refused)).not.toContain("aaaa");
  });

  test("O-03 retention takes away what is older than it is kept", async () => {
    await rig.settle();
    const before = await trail({});
    rig.clock.tick(400 * 86_400_000 + 1);
    await rig.settle();
    const left = new Set((await trail({})).map(({ id }) => id));
    expect(before.length).toBeGreaterThan(2);
    expect(before.filter(({ id }) => left.has(id))).toEqual([]);
  });
});
