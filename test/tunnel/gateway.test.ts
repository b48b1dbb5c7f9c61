/** Tunnels that the gateway admitted: how many, how long, and why it ends them. */
import { once } from "node:events";
import http from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { Problem } from "../../src/api/errors.ts";
import type { Admission } from "../../src/tunnel/gateway.ts";
import { FakeClock } from "./fake-clock.ts";
import { cleanups, given, HEADERS, open, refusal } from "./gateway-scene.ts";
import { ID, TOKEN } from "./rig.ts";

test("an accepted tunnel is told its session, what was received, and the window", async () => {
  const { rig } = await given();
  const { headers, ws } = await open(rig);
  expect(headers["gpu-dev-session"]).toMatch(/^gw\.[0-9a-f]{32}$/);
  expect(headers["gpu-dev-received"]).toBe("0");
  expect(headers["gpu-dev-window"]).toBe(String(8 * 1024 * 1024));
  expect(ws.protocol).toBe("gpu-dev.tunnel.v1");
  expect(ws.extensions).toBe("");
  expect(rig.gateway.count()).toBe(1);
});

test("T-06 more tunnels than allowed are 429, per user and per reservation, until one is closed", async () => {
  for (const [limits, words] of [
    [{ maxPerUser: 1 }, "you have 1"],
    [{ maxPerReservation: 1 }, "the reservation has 1"],
  ] as const) {
    const { rig } = await given(limits);
    const { ws } = await open(rig);
    const { status, body, headers } = await refusal(rig);
    expect([status, body.code, headers["retry-after"]]).toEqual([429, "too_many_tunnels", "10"]);
    expect(body.detail).toContain(words);
    ws.send("bye done x");
    await expect.poll(() => rig.gateway.count()).toBe(0);
    await open(rig);
  }
});

test("T-08 a tunnel ends at the next check when access is revoked, and the pod hears of it", async () => {
  const clock = new FakeClock();
  const { rig, pod } = await given({ clock });
  const { lines } = await open(rig);
  await expect.poll(() => pod.accepted.length).toBe(1);
  const podClosed = once(pod.accepted[0] as Socket, "close");
  pod.accepted[0]?.resume().on("end", () => pod.accepted[0]?.end());
  rig.revoked = new Problem("not_logged_in", "the token was revoked", { hint: "log in again" });
  clock.tick(2_000);
  await expect.poll(() => lines).toEqual(["bye not_logged_in the token was revoked; log in again"]);
  await podClosed;
  await expect.poll(() => rig.gateway.count()).toBe(0);
  expect(clock.pending).toBe(0);
});

test("T-08 a check that cannot be made ends nothing, is logged once, and never overlaps itself", async () => {
  const clock = new FakeClock();
  let asked = 0;
  let answer: () => Promise<Problem | undefined> = () => Promise.reject(new Error("database away"));
  const { rig } = await given({ clock, admit: async () => ({ ...(await admission()), recheck }) });
  const { pod } = await given();
  async function admission(): Promise<Admission> {
    return { userId: "u1", reservationId: ID, dial: () => pod.dial(), recheck };
  }
  function recheck(): Promise<Problem | undefined> {
    asked += 1;
    return answer();
  }
  const { lines } = await open(rig);
  for (let i = 1; i <= 3; i++) {
    clock.tick(2_000);
    await expect.poll(() => asked).toBe(i);
    await Promise.resolve();
  }
  expect(rig.logs.filter((line) => line.includes("could not be checked"))).toHaveLength(1);
  expect(rig.gateway.count()).toBe(1);
  const slow = Promise.withResolvers<Problem | undefined>();
  answer = () => slow.promise;
  clock.tick(6_000);
  expect(asked).toBe(4);
  slow.resolve(new Problem("reservation_ended", "it ended at noon"));
  await expect.poll(() => lines).toEqual(["bye reservation_ended it ended at noon"]);
  clock.tick(3_000);
});

test("T-08 the end of a reservation ends its tunnels at once, and no others", async () => {
  const { rig } = await given();
  const { lines, ws } = await open(rig);
  rig.gateway.endReservation("another", new Problem("reservation_ended", "x"));
  expect(ws.readyState).toBe(ws.OPEN);
  rig.gateway.endReservation(ID, new Problem("reservation_ended", "it expired at 12:00"));
  await once(ws, "close");
  expect(lines).toEqual(["bye reservation_ended it expired at 12:00"]);
});

test("a client of which nothing is heard for 10 s is dropped: the 101 was lost", async () => {
  const clock = new FakeClock();
  const { rig, pod } = await given({ clock });
  const ws = new WebSocket(`${rig.url.replace("http", "ws")}/v1/tunnel/${ID}`, "gpu-dev.tunnel.v1", {
    headers: { authorization: `Bearer ${TOKEN}`, "gpu-dev-attempt": "1" },
  });
  cleanups.push(() => ws.terminate());
  await once(ws, "open");
  const { ws: alive } = await open(rig);
  pod.accepted[1]?.resume();
  alive.send(Buffer.from("x"));
  await expect.poll(() => rig.gateway.count()).toBe(2);
  await expect.poll(() => pod.accepted[1]?.bytesRead).toBe(1);
  clock.tick(10_000);
  await once(ws, "close");
  await expect.poll(() => rig.gateway.count()).toBe(1);
  expect(alive.readyState).toBe(alive.OPEN);
});

test("T-01 T-11 a client that vanishes leaves a detached session, and nothing once its window is over", async () => {
  const clock = new FakeClock();
  const { rig, pod } = await given({ clock });
  const { ws } = await open(rig);
  ws.send(Buffer.from("the last words"));
  await expect.poll(() => pod.accepted.length).toBe(1);
  const heard: Buffer[] = [];
  pod.accepted[0]?.on("data", (data) => heard.push(data));
  const ended = once(pod.accepted[0] as Socket, "end");
  ws.terminate();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  clock.tick(299_999);
  expect(rig.gateway.count()).toBe(1);
  expect(Buffer.concat(heard).toString()).toBe("the last words");
  clock.tick(1);
  await ended;
  pod.accepted[0]?.end();
  await expect.poll(() => rig.gateway.count()).toBe(0);
  expect(clock.pending).toBe(0);
});

test("T-01 a client that vanishes before the pod has answered leaves nothing behind", async () => {
  const dialled = Promise.withResolvers<Socket>();
  const asked = Promise.withResolvers<void>();
  const { rig, pod } = await given({
    dial: () => {
      asked.resolve();
      return dialled.promise;
    },
  });
  const request = http.request(`${rig.url}/v1/tunnel/${ID}`, { headers: HEADERS }).end();
  request.on("error", () => undefined);
  await asked.promise;
  request.destroy();
  const socket = await pod.dial();
  dialled.resolve(socket);
  await expect.poll(() => rig.gateway.count()).toBe(0);
  expect(socket.destroyed).toBe(true);
});

test("draining refuses new tunnels, and ends the open ones with a reason after the grace", async () => {
  const clock = new FakeClock();
  const { rig } = await given({ clock });
  const { lines } = await open(rig);
  const closed = rig.gateway.close(60_000);
  expect(await refusal(rig)).toMatchObject({
    status: 503,
    headers: { "retry-after": "5" },
    body: { code: "draining" },
  });
  expect(lines).toEqual([]);
  clock.tick(60_000);
  await closed;
  expect(lines).toEqual(["bye draining the server is shutting down; try again in a moment"]);
});

test("T-07 no log line ever holds the token, whatever happens", async () => {
  const { rig } = await given();
  const { ws } = await open(rig);
  await refusal(rig, "/v1/elsewhere");
  await refusal(rig, `/v1/tunnel/${ID}?port=0`);
  await refusal(rig, `/v1/tunnel/${ID}?token=${TOKEN}`);
  ws.send("nonsense");
  await once(ws, "close");
  await expect.poll(() => rig.logs.length).toBe(5);
  expect(rig.logs.join()).not.toContain(TOKEN);
});

test("T-05 a message over 1 MiB ends the tunnel, and its pod", async () => {
  const { rig, pod } = await given();
  const { ws } = await open(rig);
  ws.send(Buffer.alloc(1024 * 1024 + 1));
  await once(ws, "close");
  pod.accepted[0]?.resume().on("end", () => pod.accepted[0]?.end());
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-08 T-02 a pod that another server has ended: the last bytes come, and then the reason", async () => {
  const { rig, pod } = await given({ recheckMs: 3_600_000 });
  const { ws, lines } = await open(rig);
  const heard: string[] = [];
  ws.on("message", (data: Buffer, binary) => binary && heard.push(data.toString()));
  rig.revoked = new Problem("reservation_ended", "cancelled by its owner");
  pod.accepted[0]?.end("last words");
  await once(ws, "close");
  expect(heard).toEqual(["last words"]);
  expect(lines).toEqual(["bye reservation_ended cancelled by its owner"]);
});

test("T-01 an end whose reason cannot be asked for is told all the same", async () => {
  const clock = new FakeClock();
  const { pod: reached } = await given();
  const { rig } = await given({
    clock,
    recheckMs: 3_600_000,
    admit: async ({ reservation }) => ({
      userId: "u1",
      reservationId: reservation,
      dial: () => reached.dial(),
      recheck: () => new Promise(() => undefined),
    }),
  });
  const { lines } = await open(rig);
  await expect.poll(() => reached.accepted.length).toBe(1);
  const [waiting, socket] = [clock.pending, reached.accepted[0]];
  socket?.end();
  // The pod's end has come to the gateway when it waits for the answer.
  await expect.poll(() => clock.pending).toBe(waiting + 1);
  clock.tick(500);
  await expect.poll(() => lines).toEqual(["end 0"]);
});
