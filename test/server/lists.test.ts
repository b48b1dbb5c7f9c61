/**
 * Lists against a model of them, page by page, on both engines: every filter with every order; of those with more than two filters a
 * seeded tenth, in the soak all.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Disk } from "../../src/api/disks.ts";
import { RESERVATION_ORDERS, type Reservation } from "../../src/api/reservations.ts";
import { type Route, routes } from "../../src/api/routes.ts";
import type { Page } from "../../src/api/schemas.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { engines } from "../helpers/engines.ts";
import { cpu, h100 } from "../helpers/fake-driver.ts";
import { chosenSeed, Dice } from "../helpers/random.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

/** One of each of these, or nothing. */
function* combinations(choices: Record<string, readonly string[]>): Generator<Record<string, string>> {
  const [first, ...rest] = Object.entries(choices);
  if (!first) return yield {};
  const [name, values] = first;
  for (const others of combinations(Object.fromEntries(rest)))
    for (const value of [undefined, ...values])
      yield value === undefined ? others : { ...others, [name]: value };
}

const seed = chosenSeed();
const dice = new Dice(seed);
const ALL = process.env.GPU_DEV_SOAK !== undefined;
const chosen = ({ sort: _sort, ...filters }: Record<string, string>): boolean =>
  ALL || Object.keys(filters).length <= 2 || dice.upTo(10) === 0;

/** All items, in pages of `limit`. */
async function paged<T>(limit: number, ask: (query: object) => Promise<Page<T>>): Promise<T[]> {
  const items: T[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await ask({ limit: String(limit), ...(cursor === undefined ? {} : { cursor }) });
    expect(page.items.length).toBeLessThanOrEqual(limit);
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return items;
}

const ordered = <T>(items: readonly T[], sort: string, by: (item: T) => string | number): T[] =>
  items.toSorted((a, b) => (by(a) < by(b) ? -1 : 1) * (sort.startsWith("-") ? -1 : 1));

/** Of logins there are as many as the operator has configured, of a user's registries at most 50, of their links at most 20. */
const SHORT_LISTS = ["/v1/logins", "/v1/registries", "/v1/identities"];

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  const made: string[] = [];
  beforeAll(async () => {
    rig = await openRig(engine);
    rig.driver.nodes = [h100(4), cpu(2)];
    await syncCapacity(rig.core);
    ann = await rig.person("ann");
    const ben = await rig.person("ben");
    const reserve = async (who: Person, gpu_type: string, duration_s: number, name?: string) => {
      const { id } = await who.api.createReservation({
        body: { gpu_type, duration_s, ...(name ? { name } : {}) },
      });
      made.push(id);
      return id;
    };
    const ended = await reserve(ann, "h100", 3600, "one");
    await rig.settle();
    await ann.api.cancelReservation({ params: { id: ended } });
    await rig.settle();
    for (const [i, time] of [7200, 1800, 3600, 1800].entries())
      await reserve(ann, "h100", time, i ? `n${i}` : "one");
    for (const time of [5400, 600]) await reserve(ann, "cpu", time);
    const shared = await reserve(ben, "cpu", 900, "of-ben");
    await ben.api.patchReservation({ params: { id: shared }, body: { add_users: ["ann"] } });
    await reserve(ben, "h100", 900);
    await rig.settle();
    await reserve(ann, "h100", 600);
    for (const name of ["b", "a-b", "a", "c"]) {
      await ann.api.createDisk({ body: { name } });
      rig.clock.tick(1000);
      await rig.settle();
    }
    const [first] = (await ann.api.listDisks({ query: {} })).items;
    await ann.api.deleteDisk({ params: { id: first?.id ?? "" } });
    await ann.api.createDisk({ body: { name: "a" } });
  });
  afterAll(() => rig.close());

  test("A-18 A-06 reservations: every filter and order, alone and together, before paging", async () => {
    const all = (await ann.api.listReservations({ query: { state: "all" } })).items.toReversed();
    expect(all.map((r) => r.id)).toEqual(made.filter((id) => all.some((r) => r.id === id)));
    expect(all).toHaveLength(9);
    const filters = {
      state: ["live", "all", "active", "queued", "cancelled"],
      name: ["one", "n1", "nobody"],
      gpu_type: ["h100", "cpu"],
      id_prefix: [made[1]?.slice(0, 6) ?? ""],
      sort: RESERVATION_ORDERS,
    };
    const position = (sort: string) => (r: Reservation) =>
      sort.endsWith("created_at") ? made.indexOf(r.id) : `${r.ends_at ?? "~"} ${r.id}`;
    let found = 0;
    for (const query of [...combinations(filters)].filter(chosen)) {
      const { state = "live", name, gpu_type, id_prefix = "", sort = "-created_at" } = query;
      const model = all.filter(
        (r) =>
          (state === "all" || (state === "live" ? r.ended_at === null : r.state === state)) &&
          (name === undefined || r.name === name) &&
          (gpu_type === undefined || r.gpu_type === gpu_type) &&
          r.id.startsWith(id_prefix),
      );
      const got = await paged(2, (page) =>
        ann.api.listReservations({ query: { ...query, ...page } as object }),
      );
      expect(
        got.map((r) => r.id),
        `seed ${seed}: ${JSON.stringify(query)}`,
      ).toEqual(ordered(model, sort, position(sort)).map((r) => r.id));
      found += got.length;
    }
    expect(found).toBeGreaterThan(300);
  });

  test("A-18 A-06 disks: every filter and order, alone and together, before paging", async () => {
    const all = (await ann.api.listDisks({ query: { state: "all" } })).items;
    expect(all.map((disk) => disk.name)).toEqual(["a", "a", "a-b", "b", "c"]);
    const filters = {
      state: ["live", "deleted", "all"],
      name: ["a", "b", "nobody"],
      id_prefix: [all[0]?.id.slice(0, 6) ?? ""],
      sort: ["name", "-name", "created_at", "-created_at"],
    };
    const position = (sort: string) => (disk: Disk) =>
      sort.endsWith("name") ? `${disk.name} ${disk.id}` : `${disk.created_at} ${disk.id}`;
    for (const query of [...combinations(filters)].filter(chosen)) {
      const { state = "live", name, id_prefix = "", sort = "name" } = query;
      const model = all.filter(
        (disk) =>
          (state === "all" || (disk.deleted_at === null) === (state === "live")) &&
          (name === undefined || disk.name === name) &&
          disk.id.startsWith(id_prefix),
      );
      const got = await paged(2, (page) => ann.api.listDisks({ query: { ...query, ...page } as object }));
      expect(got, `seed ${seed}: ${JSON.stringify(query)}`).toEqual(ordered(model, sort, position(sort)));
    }
  });

  test("A-06 types, what is free of them, and nodes are paged by name", async () => {
    rig.driver.nodes = ["node-3", "node-1", "node-2"].map((node) => cpu(1, node)).concat(h100(4));
    await syncCapacity(rig.core);
    const root = await rig.person("root", "admin");
    const { api } = root;
    const types = await paged(1, (query) => api.listGpuTypes({ query }));
    expect(types.map((type) => type.name)).toEqual(["cpu", "h100"]);
    const free = await paged(1, (query) => api.listAvailability({ query }));
    expect(free.map((one) => one.gpu_type)).toEqual(["cpu", "h100"]);
    const nodes = await paged(2, (query) => api.listNodes({ query }));
    expect(nodes.map((node) => node.name)).toEqual(["node-1", "node-2", "node-3"]);
  });

  test("A-06 a cursor is of its list, its filters and its order; what is made up is refused", async () => {
    const { next_cursor } = await ann.api.listReservations({ query: { limit: "1" } });
    const forged = Buffer.from('["~","x","y"]').toString("base64url");
    for (const query of [
      `cursor=${next_cursor}&state=all`,
      `cursor=${next_cursor}&sort=ends_at`,
      `cursor=${forged}`,
      "cursor=%00",
    ]) {
      const response = await rig.request(ann, `/v1/reservations?${query}`, {});
      expect((await problemOf(response)).errors?.[0]?.field).toBe("cursor");
    }
    const other = await rig.request(ann, `/v1/disks?cursor=${next_cursor}`, {});
    expect((await problemOf(other)).errors?.[0]?.field).toBe("cursor");
  });

  test("A-06 every list that can grow takes `limit` and `cursor`, and has a bound without them", async () => {
    const table = Object.values<Route>(routes);
    const params = { id: made[1] ?? "" };
    for (const { path } of table.filter(
      ({ method, path }) => method === "GET" && /^\/v1\/\w[\w-]*$/.test(path),
    )) {
      const answer = (await (await rig.request(ann, path, {})).json()) as { items?: unknown };
      if (!Array.isArray(answer.items) || SHORT_LISTS.includes(path)) continue;
      for (const limit of ["0", "501", "-1", "x"])
        expect((await rig.request(ann, `${path}?limit=${limit}`, {})).status, path).toBe(400);
      expect((await rig.request(ann, `${path}?limit=500`, {})).status, path).toBe(200);
    }
    expect((await ann.api.listEvents({ params, query: { limit: "1" } })).items).toHaveLength(1);
  });
});
