/** Attempts at what belongs to others: every endpoint and verb with every kind of id, and what only administrators may do. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Route, type RouteName, routes } from "../../../src/api/routes.ts";
import { newKeyPair } from "../../../src/core/people/key-pair.ts";
import { announced } from "../build-context.ts";
import { createFakeProvider, type FakeProvider, known } from "../logins/fake-provider.ts";
import { type ApiRig, engineNamed, openRig, type Person } from "../rig.ts";
import { refusal } from "./refusal.ts";

/** Of alice's build, of which nothing was sent yet. */
const CONTEXT = Buffer.alloc(1024);
const HOST = "registry.example.org";

let rig: ApiRig;
let mallory: Person;
let collaborator: Person;
/** Of alice, by the word in the path for what they name. */
const ids: Record<string, string> = {};
let before: unknown;

const everything = async ({ api }: Person): Promise<unknown> => {
  const query = { state: "all" } as const;
  return [
    (await api.listReservations({ query })).items.map(({ id, name, state, ends_at }) => [
      id,
      name,
      state,
      ends_at,
    ]),
    (await api.listDisks({ query })).items,
    await api.listKeys({ query: {} }),
    (await api.listIdentities({})).items,
    await api.listRegistries({}),
    await api.getBuild({ params: { id: ids.builds ?? "" } }),
    (await api.listTokens({ query: {} })).items.map(({ id, label, state }) => [id, label, state]),
  ];
};
let alice: Person;
/** Tokens of one reservation, and of the metrics. */
const lesser: string[] = [];

async function linkedTo(provider: FakeProvider): Promise<string> {
  const { login } = await alice.api.beginLogin({ body: { with: "oidc" } });
  provider.says = known("alice");
  rig.clock.tick(5000);
  await alice.api.linkIdentity({ body: { login } });
  return (await alice.api.listIdentities({})).items[0]?.id ?? "";
}

beforeAll(async () => {
  const provider = createFakeProvider();
  rig = await openRig(engineNamed("sqlite"), { logins: { providers: [provider], tokenTtlS: 3600 } });
  alice = await rig.person("alice");
  mallory = await rig.person("mallory");
  collaborator = await rig.person("colin");
  const { api } = alice;
  const disk = await api.createDisk({ body: { name: "work" } });
  await rig.settle();
  const snapshot = await api.createSnapshot({ params: { id: disk.disk_id }, body: {} });
  await rig.settle();
  const { id } = await api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, name: "box" } });
  await rig.settle();
  await api.patchReservation({ params: { id }, body: { add_users: ["colin"] } });
  Object.assign(ids, {
    reservations: id,
    disks: disk.disk_id,
    "disk-operations": disk.id,
    snapshots: snapshot.snapshot_id,
    keys: (await api.createKey({ body: { public_key: newKeyPair().publicKey } })).id,
    tokens: (await api.createToken({ body: { label: "laptop" } })).id,
    users: alice.id,
    identities: await linkedTo(provider),
    builds: (await api.createBuild({ body: announced(CONTEXT) })).id,
  });
  await api.setRegistry({ body: { host: HOST, username: "alice", password: "hers" } });
  const root = await rig.person("root", "admin");
  const scoped = [
    await api.createToken({ body: { label: "watch", scope: "reservation", reservation_id: id } }),
    await root.api.createToken({ body: { label: "scrape", scope: "metrics" } }),
  ];
  lesser.push(...scoped.map(({ token }) => token));
  before = await everything(alice);
});
afterAll(() => rig.close());

/** What each route would take. */
const BODIES: Partial<Record<RouteName, unknown>> = {
  patchReservation: { name: "taken" },
  liftReservation: { extend_s: 60, reason: "because" },
  patchDisk: { name: "taken" },
  undeleteDisk: {},
  resizeDisk: { size_bytes: 1e9 },
  cloneDisk: { name: "copy" },
  restoreDisk: { snapshot: "latest" },
  createSnapshot: {},
  createUserToken: { label: "mine" },
  linkIdentity: { login: "guess" },
  linkUserIdentity: { with: "oidc", subject: "mine" },
  patchUser: { role: "admin" },
  createUser: { name: "eve" },
};

const send = (who: Person, name: RouteName, id: string) => {
  const route: Route = routes[name];
  const body = BODIES[name] ?? (route.method === "POST" ? {} : undefined);
  return rig.request(who, route.path.replace(/\{\w+\}/, id), {
    method: route.method,
    headers: { "content-type": route.bytes ?? "application/json" },
    ...(body === undefined ? {} : { body: route.bytes ? new Uint8Array(CONTEXT) : JSON.stringify(body) }),
  });
};

const table = Object.entries(routes) as [RouteName, Route][];
const ofThings = table
  .filter(([, route]) => route.path.includes("{id}"))
  .map(([name, route]) => [name, route] as const);
/** Where alice has none, one that nobody has. */
const NOBODYS = "abcdefghijklmnopqrst";
const kindOf = (route: Route): string => route.path.split("/")[2] ?? "";

describe("A-02 somebody else's", () => {
  test.each(ofThings)("A-02 %s is refused as if there were none", async (name, route) => {
    const expected = route.admin || name === "liftReservation" ? "403 not_allowed" : "404 not_found";
    expect(await refusal(await send(mallory, name, ids[kindOf(route)] ?? NOBODYS))).toBe(expected);
  });

  test.each([
    [
      "a disk",
      "createReservation",
      () => ({ gpu_type: "h100", duration_s: 3600, disk: ids.disks }),
      "404 not_found",
    ],
    [
      "a disk by its name",
      "createReservation",
      () => ({ gpu_type: "h100", duration_s: 3600, disk: "work" }),
      "404 not_found",
    ],
    [
      "a reservation",
      "createToken",
      () => ({ label: "x", scope: "reservation", reservation_id: ids.reservations }),
      "404 not_found",
    ],
    [
      "a build",
      "createReservation",
      () => ({ gpu_type: "h100", duration_s: 3600, build: ids.builds }),
      "404 not_found",
    ],
    [
      "a build, to be told what it would come to,",
      "planReservation",
      () => ({ gpu_type: "h100", duration_s: 3600, build: ids.builds }),
      "404 not_found",
    ],
    [
      "the rights of an administrator",
      "createToken",
      () => ({ label: "x", scope: "admin" }),
      "403 not_allowed",
    ],
    [
      "high priority",
      "createReservation",
      () => ({ gpu_type: "h100", duration_s: 3600, priority: "high" }),
      "403 not_allowed",
    ],
  ] as const)("A-02 %s in the body of %s is refused", async (_what, name, body, expected) => {
    const response = await rig.request(mallory, routes[name].path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body()),
    });
    expect(await refusal(response)).toBe(expected);
  });

  test("A-02 a snapshot of theirs on a disk of one's own is unknown", async () => {
    const { disk_id: own } = await mallory.api.createDisk({ body: { name: "own" } });
    await rig.settle();
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify({ snapshot: ids.snapshots });
    const restore = await rig.request(mallory, `/v1/disks/${own}/restore`, { method: "POST", headers, body });
    expect(await refusal(restore)).toBe("404 not_found");
    const contents = await rig.request(mallory, `/v1/disks/${own}/contents?snapshot=${ids.snapshots}`, {});
    expect(await refusal(contents)).toBe("404 not_found");
  });
});

test("A-02 X-08 a login for a registry is its user's alone, also to who names its host", async () => {
  expect(await refusal(await send(mallory, "removeRegistry", HOST))).toBe("404 not_found");
  const { items } = await mallory.api.listRegistries({});
  expect(items).toEqual([]);
});

/** What a token of one reservation, or of its pod, is good for is this one; the others' are unknown to it. */
const gated = table.filter(([, route]) => !route.public && !route.pods);
test.each(gated.map(([name]) => name))("A-15 %s with a token of less is 403", async (name) => {
  const id = ids[kindOf(routes[name])] ?? NOBODYS;
  for (const token of lesser) {
    // It is told before anything of the request is looked at.
    expect(await refusal(await send({ ...alice, token }, name, id))).toBe("403 not_allowed");
  }
});

test.each(["patchReservation", "cancelReservation"] as const)(
  "A-02 who a reservation is shared with gets %s refused",
  async (name) => {
    expect(await refusal(await send(collaborator, name, ids.reservations ?? ""))).toBe("403 not_allowed");
  },
);

const forAdmins = table.filter(([, route]) => route.admin || kindOf(route) === "nodes");
test.each(forAdmins.map(([name]) => name))("A-15 %s by a user is 403", async (name) => {
  expect(
    await refusal(await send(mallory, name, kindOf(routes[name]) === "nodes" ? "node-1" : alice.id)),
  ).toBe("403 not_allowed");
});

test("A-02 after all of that everything is as it was", async () => {
  expect(await everything(alice)).toEqual(before);
});
