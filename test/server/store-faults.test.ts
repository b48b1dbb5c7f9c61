/** What users are told when a database fails in a way that nobody foresaw. */
import { sql } from "kysely";
import { describe, expect, onTestFinished, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, problemOf } from "./rig.ts";

describe.each(engines)("a database that fails, on $engine", (engine) => {
  async function open(): Promise<ApiRig> {
    const rig = await openRig(engine);
    onTestFinished(() => rig.close());
    return rig;
  }

  test("A-04 its words are in the log under the request's id, and in no answer", async () => {
    const rig = await open();
    const alice = await rig.person("alice");
    await rig.core.store.write(({ db }) => sql`alter table ssh_keys rename to lost_keys`.execute(db));
    const response = await rig.request(alice, "/v1/keys", {});
    const text = await response.clone().text();
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 500, code: "internal" });
    expect(text).not.toMatch(/ssh_keys|select|relation|sqlite|postgres|node_modules/i);
    expect(rig.log.find((line) => line.includes(problem.request_id ?? "?"))).toContain("ssh_keys");
  });

  test("O-05 one that is gone is named as the failing part, and the server is live all the same", async () => {
    const rig = await open();
    expect((await rig.app.request("/readyz")).status).toBe(200);
    await rig.core.store.close();
    expect(await problemOf(await rig.appOn(rig.core).request("/readyz"))).toMatchObject({
      status: 503,
      code: "unavailable",
      detail: "not ready: database failing",
      errors: [{ field: "database", code: "failing" }],
    });
    expect((await rig.appOn(rig.core).request("/healthz")).status).toBe(200);
  });
});
