import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { type Route, routes } from "../../src/api/routes.ts";
import { announceApi } from "../../src/core/people/pod-token.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig, type Person, problemOf } from "./rig.ts";

const URL_OF_API = "http://127.0.0.1:4780";

describe.each(engines)("the token of a pod on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    await rig.core.store.write((tx) => announceApi(tx, URL_OF_API));
    alice = await rig.person("alice");
  });
  afterEach(() => rig.close());

  /** An active reservation, and what the sessions of its pod see. */
  async function active(): Promise<{
    id: string;
    token: string;
    environment: Readonly<Record<string, string>>;
  }> {
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    const environment = rig.driver.pods.get(`${id}-1`)?.spec.environment ?? {};
    return { id, token: environment.GPU_DEV_TOKEN ?? "", environment };
  }

  test("X-01 A-02 it shows its reservation and cancels it, and dies with it", async () => {
    const { id, token, environment } = await active();
    expect(environment).toMatchObject({ GPU_DEV_URL: URL_OF_API, GPU_DEV_RESERVATION_ID: id });
    expect(token).toMatch(/^gd_[A-Za-z0-9_-]{43}$/);
    const stored = await rig.core.store.read((db) => db.selectFrom("tokens").selectAll().execute());
    expect(JSON.stringify(stored)).not.toContain(token.slice(3));
    const inside = rig.clientFor({ token });
    expect(await inside.getReservation({ params: { id } })).toMatchObject({
      id,
      access: "pod",
      owner: "alice",
    });
    const { items } = await inside.listEvents({ params: { id }, query: {} });
    expect(items.map((e) => e.type)).toEqual(["created", "preparing", "active"]);
    await inside.cancelReservation({ params: { id } });
    await rig.settle();
    expect(await alice.api.getReservation({ params: { id } })).toMatchObject({
      state: "cancelled",
      reason: "cancelled from inside its pod",
    });
    const audit = await rig.core.store.read((db) => db.selectFrom("audit").selectAll().execute());
    expect(audit.filter((a) => a.subject === id).map((a) => [a.action, a.actor])).toContainEqual([
      "reservation.ending",
      "pod",
    ]);
    const late = await problemOf(await rig.request({ token }, `/v1/reservations/${id}`, {}));
    expect(late).toMatchObject({ status: 401, code: "not_logged_in" });
    expect(rig.log.join("")).not.toContain(token);
  });

  test("A-02 every other route answers it with 403, and every other reservation with 404", async () => {
    const { id, token } = await active();
    const other = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    const table: [string, Route][] = Object.entries(routes);
    const refused = table.filter(([, route]) => !route.public && !route.pods);
    expect(refused.length).toBeGreaterThan(5);
    for (const [name, { method, path }] of refused) {
      const init = method === "GET" ? {} : { method };
      const answer = await rig.request({ token }, path.replace("{id}", id), init);
      expect({ name, ...(await problemOf(answer)) }).toMatchObject({
        name,
        status: 403,
        code: "not_allowed",
      });
    }
    for (const [, { method, path }] of table.filter(([, route]) => route.pods)) {
      const init = method === "GET" ? {} : { method };
      const answer = await rig.request({ token }, path.replace("{id}", other.id), init);
      expect(await problemOf(answer)).toMatchObject({ code: "not_found" });
    }
    expect((await alice.api.getReservation({ params: { id: other.id } })).state).toBe("queued");
  });

  test("X-01 T-08 it dies when somebody is removed, who may have kept it, and not when somebody is added", async () => {
    const [bob, { id, token }] = [await rig.person("bob"), await active()];
    const inside = rig.clientFor({ token });
    const scope = { scope: "reservation", reservation_id: id } as const;
    const watcher = rig.clientFor(await alice.api.createToken({ body: { label: "watcher", ...scope } }));
    await alice.api.patchReservation({ params: { id }, body: { add_users: ["bob"] } });
    expect(await inside.getReservation({ params: { id } })).toMatchObject({ id, access: "pod" });
    expect(await bob.api.getReservation({ params: { id } })).toMatchObject({ id });
    await alice.api.patchReservation({ params: { id }, body: { remove_users: ["bob"] } });
    for (const [method, path] of [
      ["GET", `/v1/reservations/${id}`],
      ["POST", `/v1/reservations/${id}/cancel`],
    ] as const)
      expect(await problemOf(await rig.request({ token }, path, { method }))).toMatchObject({
        status: 401,
        code: "not_logged_in",
      });
    // One that its owner made was never in the pod.
    expect((await watcher.getReservation({ params: { id } })).state).toBe("active");
  });

  test("A-15 it reads no metrics, also one that an older server beside this one made for an administrator", async () => {
    const { token } = await active();
    await rig.core.store.write(async (tx) => {
      await tx.db.updateTable("users").set({ role: "admin" }).where("id", "=", alice.id).execute();
      await tx.db.updateTable("tokens").set({ scope: "admin" }).where("scope", "=", "pod").execute();
    });
    expect((await rig.request({ token }, "/metrics", {})).status).toBe(403);
  });

  test("T-08 it opens no tunnel", async () => {
    const { id, token } = await active();
    const url = (await rig.listen()).replace("http", "ws");
    const ws = new WebSocket(`${url}/v1/tunnel/${id}`, "gpu-dev.tunnel.v1", {
      headers: { authorization: `Bearer ${token}`, "gpu-dev-attempt": "1" },
    });
    ws.on("error", () => undefined);
    const [, response] = await once(ws, "unexpected-response");
    expect(response.statusCode).toBe(403);
    ws.terminate();
  });

  test("L-04 a launch that is repeated brings the same token", async () => {
    const seen: string[] = [];
    const { launch } = rig.driver;
    rig.driver.launch = async (spec) => {
      seen.push(spec.environment.GPU_DEV_TOKEN ?? "");
      if (seen.length === 1) throw new DriverError("not now");
      await launch(spec);
    };
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    rig.clock.tick(5000);
    await rig.settle();
    expect(seen).toHaveLength(2);
    expect(seen[1]).toBe(seen[0]);
    expect((await alice.api.getReservation({ params: { id } })).state).toBe("active");
  });
});
