/** Disks through the API, on both engines. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Route, routes } from "../../src/api/routes.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

const diskRoutes: Route[] = Object.values(routes).filter((route) => route.path.startsWith("/v1/disk"));

describe.each(engines)("disks on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  let bob: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    ann = await rig.person("ann", "admin");
    bob = await rig.person("bob");
  });
  afterEach(() => rig.close());

  const send = async (who: Person, method: string, path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    return problemOf(await rig.request(who, path, { method, headers, body: JSON.stringify(body) }));
  };
  /** A disk with a snapshot of these files; the ids of both. */
  const diskWith = async (files: Record<string, string>, name = "work") => {
    const { disk_id } = await ann.api.createDisk({ body: { name } });
    await rig.settle();
    const [volume] = [...rig.disks.disks.values()].slice(-1);
    for (const [path, text] of Object.entries(files)) volume?.set(path, text);
    const { snapshot_id } = await ann.api.createSnapshot({ params: { id: disk_id }, body: {} });
    await rig.settle();
    return { id: disk_id, snapshot: snapshot_id ?? "" };
  };

  test("D-08 A-13 a disk is created by an operation that can be followed to its end", async () => {
    const operation = await ann.api.createDisk({ body: { name: "work", size_bytes: 5e9 } });
    expect(operation).toMatchObject({ kind: "create", state: "queued", done_bytes: 0, error: null });
    const params = { id: operation.disk_id };
    expect((await ann.api.getDisk({ params })).state).toBe("creating");
    await rig.settle();
    expect(await ann.api.getDiskOperation({ params: { id: operation.id } })).toMatchObject({
      state: "done",
      started_at: expect.any(String),
      finished_at: expect.any(String),
    });
    expect(await ann.api.getDisk({ params })).toEqual({
      id: operation.disk_id,
      name: "work",
      node: null,
      state: "ready",
      size_bytes: 5e9,
      used_bytes: 0,
      used_at: expect.any(String),
      limits_enforced: true,
      lost_at: null,
      limits: "a map of that size",
      snapshot_policy: "on_end",
      snapshot_every_s: null,
      held_by: null,
      held_until: null,
      operation_id: null,
      last_used_at: null,
      last_snapshot: null,
      created_at: expect.any(String),
      deleted_at: null,
      purge_at: null,
      version: 2,
    });
  });

  test("C-11 A-05 names and sizes are checked by the rule for names, with a suggestion", async () => {
    expect(await send(ann, "POST", "/v1/disks", { name: "My Data" })).toMatchObject({
      status: 400,
      errors: [{ field: "name", detail: '"M" is not allowed; use a-z, 0-9 and "-"; try "my-data"' }],
    });
    expect(await send(ann, "POST", "/v1/disks", { name: "x", size_bytes: 1 })).toMatchObject({
      errors: [{ field: "size_bytes", detail: "must be at least 16777216 (16Mi)" }],
    });
    const { id } = await diskWith({});
    for (const [method, path] of [
      ["PATCH", ""],
      ["POST", "/clone"],
      ["POST", "/undelete"],
    ] as const)
      expect((await send(ann, method, `/v1/disks/${id}${path}`, { name: "-x" })).code).toBe("invalid_input");
  });

  test("C-07 no choice, no disk and this disk are three choices, and only the last one holds it", async () => {
    const { id } = await diskWith({});
    const body = { gpu_type: "h100", duration_s: 3600 };
    expect((await ann.api.createReservation({ body })).disk).toBeNull();
    expect((await ann.api.createReservation({ body: { ...body, disk: null } })).disk).toBeNull();
    const forecast = await ann.api.planReservation({ body: { ...body, disk: "work" } });
    expect(forecast.queue_position).toBe(2);
    expect(await ann.api.createReservation({ body: { ...body, disk: "work" } })).toMatchObject({
      disk: "work",
      disk_id: id,
    });
    expect(await send(ann, "POST", "/v1/reservations", { ...body, disk: "" })).toMatchObject({
      errors: [{ field: "disk", detail: "must not be empty" }],
    });
    expect((await send(ann, "POST", "/v1/reservations", { ...body, disk: id })).code).toBe("disk_in_use");
  });

  test("A-02 somebody else's disk is answered exactly as an unknown one, on every route", async () => {
    const { id } = await diskWith({ a: "secret" });
    const operation = (await ann.api.listDiskOperations({ params: { id }, query: {} })).items[0]?.id ?? "";
    for (const route of diskRoutes.filter(({ path }) => path.includes("{id}"))) {
      const mine = route.path.includes("operations/{id}") ? operation : id;
      const answer = async (of: string) => {
        const body = route.path.endsWith("/resize")
          ? { size_bytes: 1e9 }
          : route.path.endsWith("/restore")
            ? { snapshot: "a" }
            : /clone$|\{id\}$/.test(route.path)
              ? { name: "x" }
              : {};
        const given = /undelete|snapshots|clone|resize|restore/.test(route.path) || route.method === "PATCH";
        const response = await rig.request(bob, route.path.replace("{id}", of), {
          method: route.method,
          ...(route.method === "GET" || !given
            ? {}
            : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
        });
        const { request_id: _, detail, ...rest } = await problemOf(response);
        return { ...rest, detail: detail.replaceAll(of, "ID") };
      };
      expect(await answer(mine)).toEqual(await answer("a2345672345672345672"));
      expect((await answer(mine)).status).toBe(404);
    }
    expect((await bob.api.listDisks({ query: {} })).items).toEqual([]);
  });

  test("A-08 a creating request that is sent again gets the first answer", async () => {
    const idempotencyKey = randomUUID();
    const first = await ann.api.createDisk({ body: { name: "work" }, idempotencyKey });
    expect(await ann.api.createDisk({ body: { name: "work" }, idempotencyKey })).toEqual(first);
    await rig.settle();
    const params = { id: first.disk_id };
    const key = randomUUID();
    const copy = await ann.api.cloneDisk({ params, body: { name: "copy" }, idempotencyKey: key });
    expect(await ann.api.cloneDisk({ params, body: { name: "copy" }, idempotencyKey: key })).toEqual(copy);
    expect((await ann.api.listDisks({ query: {} })).items.map((disk) => disk.name)).toEqual(["copy", "work"]);
  });

  test("A-06 A-18 disks are listed by name, in pages, by state and by name", async () => {
    for (const name of ["c", "a", "b", "a-b"]) await ann.api.createDisk({ body: { name } });
    await rig.settle();
    const first = await ann.api.listDisks({ query: { limit: "3" } });
    expect(first.items.map((disk) => disk.name)).toEqual(["a", "a-b", "b"]);
    const rest = await ann.api.listDisks({ query: { limit: "3", cursor: first.next_cursor ?? "" } });
    expect(rest).toMatchObject({ items: [{ name: "c" }], next_cursor: null });
    const id = first.items[1]?.id ?? "";
    await ann.api.deleteDisk({ params: { id } });
    const named = async (query: { state?: "deleted" | "all"; name?: string; id_prefix?: string }) =>
      (await ann.api.listDisks({ query })).items.map((disk) => disk.name);
    expect(await named({})).toEqual(["a", "b", "c"]);
    expect(await named({ state: "deleted" })).toEqual(["a-b"]);
    expect(await named({ state: "all", id_prefix: id.slice(0, 6) })).toEqual(["a-b"]);
    expect(await named({ name: "a" })).toEqual(["a"]);
  });

  test("D-07 the contents are those of the last snapshot; none yet, unreadable and unknown are told apart", async () => {
    const { disk_id } = await ann.api.createDisk({ body: { name: "empty" } });
    await rig.settle();
    const contents = (id: string, query = "") => rig.request(ann, `/v1/disks/${id}/contents${query}`, {});
    expect(await problemOf(await contents(disk_id))).toMatchObject({
      status: 409,
      code: "no_snapshot",
      detail: "there is no snapshot of disk empty yet, so that nothing can be listed",
    });
    const { id, snapshot } = await diskWith({
      "b.txt": "22",
      "src/a.ts": "1",
      "src/lib/x": "",
      "é\\x0a": "",
    });
    const root = await ann.api.listContents({ params: { id }, query: { limit: "2" } });
    expect(root).toMatchObject({
      path: "",
      snapshot: { id: snapshot, state: "ready" },
      items: [
        { name: "b.txt", kind: "file", bytes: 2 },
        { name: "src", kind: "directory" },
      ],
    });
    const cursor = root.next_cursor ?? "";
    const rest = await ann.api.listContents({ params: { id }, query: { limit: "2", cursor } });
    expect(rest).toMatchObject({ items: [{ name: "é\\x0a" }], next_cursor: null });
    const src = await ann.api.listContents({ params: { id }, query: { path: "/src/", snapshot } });
    expect([src.path, ...src.items.map((entry) => entry.name)]).toEqual(["src", "a.ts", "lib"]);
    expect(await problemOf(await contents(id, "?path=nope"))).toMatchObject({ code: "not_found" });
    expect(await problemOf(await contents(id, "?snapshot=nope"))).toMatchObject({ code: "not_found" });
    rig.disks.faults.set("contents", new DriverError("EIO: input/output error"));
    expect(await problemOf(await contents(id))).toMatchObject({
      status: 503,
      detail: `the listing of snapshot ${snapshot} cannot be read now: EIO: input/output error`,
    });
  });

  test("A-07 repeating a delete, an undelete or an unlock answers the same, and is recorded once", async () => {
    const { id } = await diskWith({});
    const params = { id };
    const deletes = await Promise.all(Array.from({ length: 5 }, () => ann.api.deleteDisk({ params })));
    expect(new Set(deletes.map((disk) => JSON.stringify(disk))).size).toBe(1);
    expect(await send(ann, "PATCH", `/v1/disks/${id}`, { name: "x" })).toMatchObject({
      code: "disk_deleted",
    });
    for (let i = 0; i < 2; i++)
      expect((await ann.api.undeleteDisk({ params, body: {} })).state).toBe("ready");
    for (let i = 0; i < 2; i++) expect((await ann.api.unlockDisk({ params })).state).toBe("ready");
    const audit = await rig.core.store.read((db) =>
      db.selectFrom("audit").select("action").where("subject", "=", id).execute(),
    );
    const once = audit.map((row) => row.action).filter((action) => /delete|unlock/.test(action));
    expect(once.sort()).toEqual(["disk.delete", "disk.undelete"]);
  });
});
