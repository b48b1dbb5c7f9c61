/** What is logged over the life of a reservation: each line says about which one, and none has a secret (O-04). */
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly time: string;
  readonly reservation_id?: string;
  readonly request_id?: string;
}

describe.each(engines)("the log on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    onTestFinished(() => rig.close());
    ann = await rig.person("ann");
  });
  const lines = (): Line[] => rig.log.map((line) => JSON.parse(line) as Line);
  const told = (words: string): Line[] => lines().filter((line) => line.msg.includes(words));

  test("O-04 each line about a reservation has its id, each about a request the request's, and none a secret", async () => {
    const { id } = await ann.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    rig.driver.faults.set("terminate", new DriverError("device busy"));
    rig.clock.tick(3_600_000);
    await rig.settle();
    rig.driver.faults.clear();
    rig.clock.tick(60_000);
    await rig.settle();
    expect((await ann.api.getReservation({ params: { id } })).state).toBe("expired");
    for (const words of ["reservation ends", "reservation is in trouble"])
      expect(told(words), words).toMatchObject([{ reservation_id: id }]);
    const requests = told("request");
    expect(requests.length).toBeGreaterThanOrEqual(2);
    expect(new Set(requests.map((line) => line.request_id)).size).toBe(requests.length);
    for (const line of lines()) expect(Date.parse(line.time)).not.toBeNaN();

    const secrets = await rig.core.store.read((db) => db.selectFrom("tokens").select("hash").execute());
    const log = rig.log.join("");
    expect(log).not.toContain(ann.token);
    for (const { hash } of secrets) expect(log).not.toContain(hash);
    expect(log).not.toContain("PRIVATE KEY");
  });

  test("O-04 what the rules log for a request carries its id", async () => {
    const broken = rig.appOn({
      ...rig.core,
      store: {
        ...rig.core.store,
        read: () => {
          rig.core.log("warn", {}, "from within");
          return Promise.reject(new Error("broken"));
        },
      },
    });
    const answer = await broken.request("/v1/me", {
      headers: { authorization: `Bearer ${ann.token}`, "x-request-id": "mine-1" },
    });
    expect(answer.status).toBe(500);
    const id = answer.headers.get("x-request-id");
    expect(told("from within")).toMatchObject([{ request_id: id }]);
    expect(lines().filter((line) => line.level >= 50)).toMatchObject([{ request_id: id, msg: "request" }]);
  });

  test("O-04 a condition that lasts is logged when it begins and when it is over, not on each pass", async () => {
    rig.failDriver();
    await rig.settle();
    for (let i = 0; i < 5; i++) {
      rig.clock.tick(61_000);
      await rig.settle();
    }
    const words = "the driver's capacity could not be read";
    expect(told(words)).toHaveLength(1);
    rig.driver.faults.clear();
    rig.clock.tick(61_000);
    await rig.settle();
    expect(told(words).map((line) => line.msg)).toEqual([words, `over: ${words}`]);
  });
});
