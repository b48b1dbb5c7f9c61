/** What users are told when a database fails in a way that nobody foresaw. */
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

describe.each(engines)("a database that fails, on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
  });
  afterEach(() => rig.close());

  test("A-04 its words are in the log under the request's id, and in no answer", async () => {
    await rig.core.store.write(({ db }) => sql`alter table ssh_keys rename to lost_keys`.execute(db));
    const response = await rig.request(alice, "/v1/keys", {});
    const text = await response.clone().text();
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 500, code: "internal" });
    expect(text).not.toMatch(/ssh_keys|select|relation|sqlite|postgres|node_modules/i);
    expect(rig.log.find((line) => line.includes(problem.request_id ?? "?"))).toContain("ssh_keys");
  });
});
