import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { engines } from "../helpers/engines.ts";
import { burst, paced } from "../helpers/load.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice");
  });
  afterEach(() => rig.close());

  test("A-12 500 new connections at once are all served, and so is who comes after them", async () => {
    const get = { url: `${await rig.listen()}/v1/me`, headers: { authorization: `Bearer ${alice.token}` } };
    expect(await burst(get, 500)).toBe(500);
    expect(await burst({ ...get, headers: {} }, 5)).toBe(0);
    expect(await paced(get, 100, 0.2)).toHaveLength(20);
  });
});
