/** The page at /metrics: who may read it, what is on it from the start, and that everything on it is recorded. */
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import { DISK_STATES } from "../../src/api/disks.ts";
import { ERRORS } from "../../src/api/errors.ts";
import { CALLS } from "../../src/core/calls.ts";
import { countFinding, FINDINGS } from "../../src/core/findings.ts";
import { PROBE_CAUSES } from "../../src/core/pods/probe.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { createMetrics } from "../../src/server/metrics.ts";
import { addTally } from "../../src/store/tallies.ts";
import { NOBODY, TUNNEL_ENDS } from "../../src/tunnel/observer.ts";
import { engines } from "../helpers/engines.ts";
import { type Family, readPage } from "../helpers/prometheus.ts";
import { FakeClock } from "../tunnel/fake-clock.ts";
import { type ApiRig, openPeopledRig, type Person, problemOf } from "./rig.ts";

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let root: Person;
  const sockets: WebSocket[] = [];
  beforeEach(async () => {
    ({ rig, alice, root } = await openPeopledRig(engine));
  });
  afterEach(async () => {
    for (const ws of sockets.splice(0)) ws.terminate();
    await rig.close();
  });

  const scrape = async (): Promise<Map<string, Family>> => {
    const response = await rig.request(root, "/metrics", {});
    expect([response.status, response.headers.get("content-type")]).toEqual([
      200,
      "text/plain; version=0.0.4; charset=utf-8",
    ]);
    return readPage(await response.text());
  };

  /** The values of a family by its labels' values; histograms by their counts. */
  const values = (page: Map<string, Family>, name: string): Record<string, number> =>
    Object.fromEntries(
      (page.get(name)?.samples ?? [])
        .filter((s) => s.name === name || s.name.endsWith("_count"))
        .map(({ labels, value }) => [Object.values(labels).join(" "), value]),
    );

  const reserve = async (): Promise<string> => {
    const { id } = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await rig.settle();
    return id;
  };

  test("O-02 connections to the database are counted while they are in use and waited for", async () => {
    const metrics = createMetrics(rig.core);
    const families = async () => {
      const page = readPage(await metrics.page());
      return {
        ...values(page, "gpu_dev_database_connections"),
        waiting: values(page, "gpu_dev_database_waiting"),
      };
    };
    const go = Promise.withResolvers<void>();
    onTestFinished(() => go.resolve());
    const begun: PromiseWithResolvers<void>[] = [];
    const work = Array.from({ length: 12 }, () => {
      const one = Promise.withResolvers<void>();
      begun.push(one);
      return rig.core.store.write(async () => {
        one.resolve();
        await go.promise;
      });
    });
    const most = engine.engine === "postgres" ? 10 : 1;
    await Promise.all(begun.slice(0, most).map((one) => one.promise));
    const full = { "write in_use": 10, "write idle": 0, waiting: { read: 0, write: 2 } };
    const none = { "write in_use": 0, "write idle": 0, waiting: { read: 0, write: 0 } };
    expect(await families()).toMatchObject(engine.engine === "postgres" ? full : none);
    go.resolve();
    await Promise.all(work);
    expect(await families()).toMatchObject({ "write in_use": 0, waiting: { write: 0 } });
  });

  test("A-15 only an administrator's token opens it; another method is 405, HEAD answers", async () => {
    expect(await problemOf(await rig.app.request("/metrics"))).toMatchObject({ code: "not_logged_in" });
    const refused = await rig.request(alice, "/metrics", {});
    expect(await problemOf(refused)).toMatchObject({ status: 403, code: "not_allowed" });
    const posted = await rig.request(root, "/metrics", { method: "POST" });
    expect(await problemOf(posted)).toMatchObject({ status: 405 });
    expect(posted.headers.get("allow")).toBe("GET, HEAD");
    const head = await rig.request(root, "/metrics", { method: "HEAD" });
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("O-01 O-02 every series of a closed list is there from the first scrape, at zero", async () => {
    const page = await scrape();
    const zeroes = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, 0]));
    expect(values(page, "gpu_dev_reservations")).toEqual(zeroes(["queued", "preparing", "active", "ending"]));
    expect(values(page, "gpu_dev_reservations_ended_total")).toEqual(
      zeroes(["expired", "cancelled", "failed"]),
    );
    expect(values(page, "gpu_dev_oldest_reservation_seconds")).toEqual(
      zeroes(["queued", "preparing", "active", "ending"]),
    );
    expect(values(page, "gpu_dev_disks")).toEqual(zeroes(DISK_STATES));
    expect(values(page, "gpu_dev_disk_bytes")).toEqual(zeroes(["size", "used", "snapshots"]));
    expect(values(page, "gpu_dev_disk_operations")).toEqual(zeroes(["queued", "running"]));
    expect(Object.keys(values(page, "gpu_dev_disk_operations_ended_total"))).toHaveLength(14);
    expect(values(page, "gpu_dev_ssh_verification_failures_total")).toEqual(zeroes(PROBE_CAUSES));
    expect(values(page, "gpu_dev_findings_total")).toEqual(zeroes(FINDINGS));
    expect(Object.keys(values(page, "gpu_dev_driver_call_seconds"))).toEqual(CALLS);
    expect(values(page, "gpu_dev_tunnels_ended_total")).toEqual(zeroes(TUNNEL_ENDS));
    expect(values(page, "gpu_dev_tunnel_refusals_total")).toEqual(zeroes(Object.keys(ERRORS)));
    expect(values(page, "gpu_dev_tunnels")).toEqual(zeroes(["opening", "connected", "detached"]));
    expect(values(page, "gpu_dev_tunnel_bytes_total")).toEqual(zeroes(["up", "down"]));
    expect(values(page, "gpu_dev_tunnel_echo_seconds")).toEqual(zeroes(["up", "down"]));
    expect(values(page, "gpu_dev_queue_length")).toEqual({ h100: 0 });
    expect(values(page, "gpu_dev_capacity")).toEqual({
      "h100 free": 1,
      "h100 used": 0,
      "h100 unavailable": 0,
    });
  });

  test("O-01 O-06 what the database counts is the same after a restart", async () => {
    const id = await reserve();
    const waits = await reserve();
    expect(values(await scrape(), "gpu_dev_reservations")).toMatchObject({ active: 1, queued: 1 });
    await alice.api.cancelReservation({ params: { id: waits } });
    await alice.api.cancelReservation({ params: { id } });
    await rig.settle();
    const restarted = readPage(await createMetrics(rig.core).page());
    for (const page of [await scrape(), restarted]) {
      expect(values(page, "gpu_dev_reservations_created_total")).toEqual({ "": 2 });
      expect(values(page, "gpu_dev_reservations_ended_total")).toMatchObject({ cancelled: 2, failed: 0 });
      expect(values(page, "gpu_dev_capacity")).toMatchObject({ "h100 free": 1, "h100 used": 0 });
    }
  });

  const dial = (url: string, id: string, headers: Record<string, string> = {}): WebSocket => {
    const ws = new WebSocket(`${url.replace("http", "ws")}/v1/tunnel/${id}`, "gpu-dev.tunnel.v1", {
      headers: { "gpu-dev-attempt": "1", authorization: `Bearer ${alice.token}`, ...headers },
    });
    ws.on("error", () => undefined);
    // A client of which nothing is heard for 10 s is given up.
    ws.once("open", () => ws.send("ack 0"));
    sockets.push(ws);
    return ws;
  };

  test("O-02 T-01 a tunnel is counted while it is open, while it waits, when it is back, and when it is over", async () => {
    const url = await rig.listen();
    const id = await reserve();
    const ws = dial(url, id);
    const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as unknown as [
      [{ headers: Record<string, string> }],
    ];
    ws.send(Buffer.from("hello"));
    await once(ws, "message");
    const open = await scrape();
    expect(values(open, "gpu_dev_tunnels")).toEqual({ opening: 0, connected: 1, detached: 0 });
    expect(values(open, "gpu_dev_tunnel_bytes_total")).toEqual({ up: 5, down: 5 });
    ws.terminate();
    const states = async () => values(await scrape(), "gpu_dev_tunnels");
    await expect.poll(states).toEqual({ opening: 0, connected: 0, detached: 1 });
    const session = String(response.headers["gpu-dev-session"]);
    const again = { "gpu-dev-session": session, "gpu-dev-received": "0", "gpu-dev-attempt": "2" };
    const back = dial(url, id, again);
    await once(back, "message");
    back.send("bye done over");
    await expect.poll(states).toEqual({ opening: 0, connected: 0, detached: 0 });
    const over = await scrape();
    expect(values(over, "gpu_dev_tunnels_opened_total")).toEqual({ "": 1 });
    expect(values(over, "gpu_dev_tunnel_resumes_total")).toEqual({ "": 1 });
    expect(values(over, "gpu_dev_tunnels_ended_total")).toMatchObject({ done: 1 });
    expect(values(over, "gpu_dev_tunnel_first_byte_seconds")).toEqual({ "": 1 });
    // What was sent again counts once.
    expect(values(over, "gpu_dev_tunnel_bytes_total")).toEqual({ up: 5, down: 5 });
  });

  test("O-03 a server that stops in an orderly way has recorded its tunnels", async () => {
    const url = await rig.listen();
    const id = await reserve();
    const ws = dial(url, id);
    await once(ws, "open");
    ws.send(Buffer.from("hello"));
    await once(ws, "message");
    await rig.closeTunnels();
    const audit = await rig.core.store.read((db) =>
      db.selectFrom("audit").selectAll().where("action", "=", "tunnel.close").execute(),
    );
    expect(audit).toMatchObject([{ actor: alice.id, subject: id }]);
    expect(JSON.parse(audit[0]?.detail ?? "")).toMatchObject({
      from: "127.0.0.1",
      port: 22,
      bytes_up: 5,
      bytes_down: 5,
      end: "draining",
    });
  });

  test("O-02 everything that is declared is recorded: no family of the page stays at zero for ever", async () => {
    const clock = new FakeClock();
    const sso = { name: "sso", state: () => ({ answered: 1, failed: 2, refused: 3, down: true }) };
    const pools = () => [{ pool: "read" as const, inUse: 1, idle: 2, waiting: 3 }];
    const store = { ...rig.core.store, pools };
    const metrics = createMetrics({ ...rig.core, store, services: [sso] }, clock);
    const state = () => ({ opening: 1, connected: 2, detached: 3, up: 4, down: 5 });
    metrics.watch({ state, audit: () => ({ waiting: 6, lost: 7 }) });
    const { observer } = metrics;
    expect(Object.keys(observer).sort()).toEqual(Object.keys(NOBODY).sort());
    await reserve();
    await reserve();
    const over = await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } });
    await alice.api.cancelReservation({ params: { id: over.id } });
    await alice.api.createDisk({ body: { name: "made" } });
    await rig.settle();
    rig.disks.faults.set("create", new DriverError("EIO: input/output error"));
    await alice.api.createDisk({ body: { name: "being-made" } });
    await rig.settle();
    rig.core.signals.emit("fault", "launch", "late");
    await rig.core.store.write(async (tx) => {
      await addTally(tx, "unproved", "timeout");
      await countFinding(tx, "orphan_pod");
    });
    metrics.request(503, 12);
    observer.opened({} as Parameters<typeof observer.opened>[0]);
    rig.core.signals.emit("posted", "delivered");
    rig.core.signals.emit("reloaded", "invalid");
    observer.resumed();
    observer.refused("not_found");
    observer.firstByte(12);
    observer.echo("up", 1);
    observer.echo("down", 2);
    observer.closed({ end: "done" } as Parameters<typeof observer.closed>[0]);
    clock.tick(100);
    rig.clock.tick(1000);
    const page = readPage(await metrics.page());
    const idle = [...page.values()].filter(({ samples }) => samples.every(({ value }) => value === 0));
    expect(idle.map(({ name }) => name)).toEqual([]);
    expect(page.size).toBeGreaterThan(25);
    expect(values(page, "gpu_dev_preparing_seconds")).toEqual({ "": 1 });
    expect(values(page, "gpu_dev_ssh_verification_failures_total")).toMatchObject({ timeout: 1, refused: 0 });
    expect(values(page, "gpu_dev_ssh_verification_seconds")).toEqual({ "": 1 });
    expect(values(page, "gpu_dev_driver_errors_total")).toMatchObject({
      "launch late": 1,
      "launch failed": 0,
    });
    expect(values(page, "gpu_dev_driver_call_seconds").launch).toBeGreaterThan(0);
    expect(values(page, "gpu_dev_http_requests_total")).toMatchObject({ "5xx": 1 });
    expect(values(page, "gpu_dev_tunnel_audit_lost_total")).toEqual({ "": 7 });
    expect(values(page, "gpu_dev_outside_requests_total")).toEqual({
      "sso answered": 1,
      "sso failed": 2,
      "sso refused": 3,
    });
    expect(values(page, "gpu_dev_outside_down")).toEqual({ sso: 1 });
    expect(values(page, "gpu_dev_event_loop_delay_seconds")).toEqual({ "": 1 });
  });
});

test("the reader of the page finds what promtool finds", () => {
  const page = (body: string) => () => readPage(`# HELP x_total Words\n# TYPE x_total counter\n${body}`);
  expect(page("x_total 1\n")).not.toThrow();
  for (const bad of [
    "x_total 1",
    "x_total\n",
    "y_total 1\n",
    "x_total -1\n",
    "x_total one\n",
    'x_total{a="1",a="2"} 1\n',
    'x_total{a="1"} 1\nx_total{a="1"} 2\n',
    "",
    "x_total 1\n# HELP x_total Words\n",
    "x_total 1\n# HELP y Words\n# TYPE y counter\ny 1\n",
    "x_total 1\n# HELP y_ms Words\n# TYPE y_ms gauge\ny_ms 1\n",
    'x_total 1\n# HELP y W\n# TYPE y histogram\ny_bucket{le="1"} 2\ny_bucket{le="+Inf"} 1\ny_count 1\n',
  ])
    expect(page(bad), bad).toThrow();
});
