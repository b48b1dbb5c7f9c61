import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

describe.each(engines)("teams and quotas over HTTP on $engine", (engine) => {
  let rig: ApiRig;
  let root: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    root = await rig.person("root", "admin");
  });
  afterEach(() => rig.close());

  test("A-01 A-05 X-03 a name that can name nothing names nothing, whatever is in it", async () => {
    for (const name of ["nobody", "%00", "%27%20or%201=1", "..%2f..%2fetc", "a".repeat(300), "%0a", "%ff"]) {
      for (const [method, path] of [
        ["DELETE", `/v1/teams/${name}`],
        ["DELETE", `/v1/teams/${name}/members/root`],
        ["GET", `/v1/nodes/${name}/reservations`],
      ] as const) {
        const problem = await problemOf(await rig.request(root, path, { method }));
        expect(problem, `${method} ${path}`).toMatchObject({ status: 404, code: "not_found" });
      }
    }
    const unknown = await problemOf(await rig.request(root, "/v1/teams/%00", { method: "DELETE" }));
    expect(unknown.detail).toContain("there is no team");
  });

  test("A-05 limits are checked before anything is done: one subject, one limit at least, whole numbers", async () => {
    const put = async (body: object) =>
      problemOf(
        await rig.request(root, "/v1/quotas", {
          method: "PATCH",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      );
    for (const body of [
      {},
      { gpus: 1 },
      { default: true, user: "root", gpus: 1 },
      { default: true },
      { default: false, gpus: 1 },
      { user: "root", gpus: -1 },
      { user: "root", gpus: 1.5 },
      { user: "root", gpu_seconds: 1e15 },
      { user: "root", max_duration_s: 0 },
      { user: "root", gpu_types: [] },
      { user: "a\0b", gpus: 1 },
      { user: "root", gpus: 1, more: true },
    ])
      expect(await put(body), JSON.stringify(body)).toMatchObject({ status: 400, code: "invalid_input" });
    expect((await root.api.listQuotas({ query: {} })).items).toEqual([]);
  });

  test("A-08 a team that is made twice with one key is one team", async () => {
    const make = (idempotencyKey: string) =>
      root.api.createTeam({ body: { name: "vision" }, idempotencyKey });
    const first = await make("k1");
    expect(await make("k1")).toEqual(first);
    await expect(make("k2")).rejects.toMatchObject({ problem: { code: "name_taken" } });
  });
});
