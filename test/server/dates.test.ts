/** Dates that go in and that come out, on both engines. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { FINAL_STATES } from "../../src/api/reservations.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    ann = await rig.person("ann");
  });
  afterEach(() => rig.close());

  test("A-10 a date that cannot be read, is over, or is too far ahead is 400, by its field", async () => {
    for (const start_at of [
      ...[
        "",
        "tomorrow",
        "2026-01-06",
        "2026-02-30T08:00:00.000Z",
        "2026-01-06T08:00:00.000",
        "2026-01-06T08:00:00.000+02:00",
      ],
      ...[
        "0001-01-01T00:00:00.000Z",
        "1970-01-01T00:00:00.000Z",
        "2026-01-05T07:59:59.999Z",
        "9999-12-31T23:59:59.999Z",
      ],
      ...[0, 1_767_600_000_000, true, {}],
    ]) {
      const body = JSON.stringify({ gpu_type: "h100", duration_s: 3600, start_at });
      const headers = { "content-type": "application/json" };
      const response = await rig.request(ann, "/v1/reservations", { method: "POST", headers, body });
      const { status, errors } = await problemOf(response);
      expect([start_at, status, errors?.[0]?.field]).toEqual([start_at, 400, "start_at"]);
    }
    expect((await ann.api.listReservations({ query: { state: "all" } })).items).toEqual([]);
  });

  test("A-10 what ended says when, what did not says null, and no date is ever none", async () => {
    const body = { gpu_type: "h100", duration_s: 600 };
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push((await ann.api.createReservation({ body })).id);
    await ann.api.cancelReservation({ params: { id: ids[3] ?? "" } });
    const seen = new Set<string>();
    for (let minute = 0; minute < 16; minute++) {
      await rig.settle();
      const text = await (await rig.request(ann, "/v1/reservations?state=all", {})).text();
      expect(text).not.toMatch(/"(?:0001|0000|1970)-/);
      for (const one of (await ann.api.listReservations({ query: { state: "all" } })).items) {
        seen.add(one.state);
        const ended = (FINAL_STATES as readonly string[]).includes(one.state);
        expect([one.state, one.ended_at !== null]).toEqual([one.state, ended]);
        expect(Date.parse(one.ends_at ?? "2027-01-01") > Date.parse(one.started_at ?? "2026-01-01")).toBe(
          true,
        );
      }
      rig.clock.tick(60_000);
    }
    expect([...seen].sort()).toEqual(["active", "cancelled", "expired", "queued"]);
  });
});
