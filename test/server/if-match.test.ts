/** ETag and If-Match: a change that nobody else has made in between, on both engines. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readIfMatch } from "../../src/server/if-match.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

test("If-Match takes any version, one, or several; a foreign tag names none", () => {
  expect([undefined, "*", '"7"', 'W/"7"', '"7", "8"', '"abc", "8"'].map(readIfMatch)).toEqual([
    undefined,
    undefined,
    [7],
    [7],
    [7, 8],
    [-1, 8],
  ]);
  for (const bad of ["7", '"7', "", '"a"b"', '"7",'])
    expect(() => readIfMatch(bad)).toThrow(/If-Match: must be the ETag/);
});

describe.each(engines)("If-Match on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    ann = await rig.person("ann");
  });
  afterEach(() => rig.close());

  const send = (method: string, path: string, tag: string, body?: object) =>
    rig.request(ann, path, {
      method,
      headers: { "if-match": tag, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
  const etag = async (path: string) => (await rig.request(ann, path, {})).headers.get("etag") ?? "";

  test("a reservation that has changed is left alone, with its state; at its version it is changed", async () => {
    const { id } = await ann.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    const path = `/v1/reservations/${id}`;
    const old = await etag(path);
    const renamed = await send("PATCH", path, old, { name: "mine" });
    expect(renamed.status).toBe(200);
    expect(renamed.headers.get("etag")).toBe(await etag(path));
    expect(renamed.headers.get("etag")).not.toBe(old);
    await rig.settle();
    const before = await ann.api.getReservation({ params: { id } });
    for (const [method, at, body] of [
      ["PATCH", path, { name: "other" }],
      ["PATCH", path, { extend_s: 60 }],
      ["PATCH", path, { add_users: ["nobody"] }],
      ["POST", `${path}/cancel`, undefined],
    ] as const)
      expect(await problemOf(await send(method, at, old, body))).toMatchObject({
        status: 412,
        code: "precondition_failed",
        detail: `reservation mine is active, at version ${before.version}`,
      });
    expect(await ann.api.getReservation({ params: { id } })).toEqual(before);
    expect((await send("PATCH", path, await etag(path), { extend_s: 60 })).status).toBe(200);
    expect((await send("POST", `${path}/cancel`, `${old}, ${await etag(path)}`)).status).toBe(200);
    // Who repeats it has lost nothing to anybody.
    expect((await send("POST", `${path}/cancel`, old)).status).toBe(200);
  });

  test("of several changes of one version at the same moment one is made", async () => {
    const { id } = await ann.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    const path = `/v1/reservations/${id}`;
    const tag = await etag(path);
    const names = ["a", "b", "c", "d", "e"];
    const all = await Promise.all(names.map((name) => send("PATCH", path, tag, { name })));
    expect(all.map((one) => one.status).sort()).toEqual([200, 412, 412, 412, 412]);
  });

  test("a disk likewise, also when nothing but its name is changed", async () => {
    const { disk_id: id } = await ann.api.createDisk({ body: { name: "work" } });
    await rig.settle();
    const path = `/v1/disks/${id}`;
    const old = await etag(path);
    const all = await Promise.all(["a", "b", "c"].map((name) => send("PATCH", path, old, { name })));
    expect(all.map((one) => one.status).sort()).toEqual([200, 412, 412]);
    const { name, version } = await ann.api.getDisk({ params: { id } });
    expect(await problemOf(await send("DELETE", path, old))).toMatchObject({
      status: 412,
      detail: `disk ${name} is ready, at version ${version}`,
    });
    expect((await send("DELETE", path, await etag(path))).status).toBe(200);
    expect((await send("DELETE", path, old)).status).toBe(200);
  });

  test("where it means nothing it is refused, and not passed over", async () => {
    const post = await send("POST", "/v1/disks", '"1"', { name: "work" });
    expect((await problemOf(post)).errors).toEqual([
      { field: "If-Match", code: "unknown", detail: "is not known here" },
    ]);
    expect((await send("GET", "/v1/me", '"1"')).status).toBe(200);
  });
});
