/** Sessions at the gateway without their connection: who may take them up again, and when they are over. */
import { once } from "node:events";
import http from "node:http";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { Problem } from "../../src/api/errors.ts";
import type { Admission } from "../../src/tunnel/gateway.ts";
import type { TunnelRequest } from "../../src/tunnel/tunnel-request.ts";
import { FakeClock } from "./fake-clock.ts";
import { cleanups, given, HEADERS, open, refusal } from "./gateway-scene.ts";
import { ID, type Rig, TOKEN } from "./rig.ts";
import type { TestPod } from "./test-pod.ts";

const MINUTES = 60_000;
const PATH = `/v1/tunnel/${ID}?port=22&node=0`;

interface Detached {
  readonly rig: Rig;
  readonly pod: TestPod;
  readonly clock: FakeClock;
  readonly session: string;
}

/** A session that has had "hello" from the pod, and whose connection is cut. */
async function detached(options = {}): Promise<Detached> {
  const clock = new FakeClock();
  const { rig, pod } = await given({ clock, ...options });
  const { ws, headers } = await open(rig);
  pod.accepted[0]?.write("hello");
  await once(ws, "message");
  ws.terminate();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  return { rig, pod, clock, session: String(headers["gpu-dev-session"]) };
}

const again = (session: string, attempt: number, received = 5, token = TOKEN): Record<string, string> => ({
  "gpu-dev-session": session,
  "gpu-dev-received": String(received),
  "gpu-dev-attempt": String(attempt),
  authorization: `Bearer ${token}`,
});

interface Resumed {
  readonly ws: WebSocket;
  readonly received: string | undefined;
  readonly bytes: Buffer[];
  readonly lines: string[];
}

async function resume(rig: Rig, headers: Record<string, string>): Promise<Resumed> {
  const ws = new WebSocket(rig.url.replace("http", "ws") + PATH, "gpu-dev.tunnel.v1", { headers });
  const [bytes, lines] = [[] as Buffer[], [] as string[]];
  ws.on("message", (data: Buffer, binary) => (binary ? bytes.push(data) : lines.push(data.toString())));
  cleanups.push(() => ws.terminate());
  const [[response]] = (await Promise.all([once(ws, "upgrade"), once(ws, "open")])) as unknown as [
    [http.IncomingMessage],
    unknown,
  ];
  return { ws, received: String(response.headers["gpu-dev-received"]), bytes, lines };
}

const text = ({ bytes }: Resumed): string => Buffer.concat(bytes).toString();

test("T-11 a client that comes back gets what it lacks, and is told what was received of its own", async () => {
  const { rig, pod, session } = await detached();
  pod.accepted[0]?.write(" again");
  const back = await resume(rig, again(session, 2, 3));
  expect(back.received).toBe("0");
  await expect.poll(() => text(back)).toBe("lo again");
  back.ws.send(Buffer.from("from me"));
  expect(((await once(pod.accepted[0] as Socket, "data"))[0] as Buffer).toString()).toBe("from me");
  back.ws.terminate();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  const third = await resume(rig, again(session, 3, 11));
  expect(third.received).toBe("7");
  await expect.poll(() => third.lines).toEqual(["ack 7"]);
});

test("T-11 the end of the pod's stream is said again on each connection", async () => {
  const { rig, pod, session } = await detached();
  pod.accepted[0]?.end("!");
  for (const attempt of [2, 3]) {
    const back = await resume(rig, again(session, attempt));
    await expect.poll(() => back.lines).toEqual(["end 6"]);
    expect(text(back)).toBe("!");
    back.ws.terminate();
  }
});

test("T-11 T-09 the pod of a detached session is read up to the window, and no further", async () => {
  const { pod, clock } = await detached();
  const socket = pod.accepted[0] as Socket;
  const chunk = Buffer.alloc(1024 * 1024);
  let offered = 0;
  while (offered < 64 && socket.writableLength <= chunk.length) {
    offered += 1;
    socket.write(chunk);
    await new Promise((done) => setImmediate(done));
  }
  expect(offered).toBeGreaterThan(8);
  expect(socket.writableLength).toBeGreaterThan(0);
  clock.tick(5 * MINUTES);
});

test("T-11 a lower or equal attempt is stale_attempt, and does not disturb the newer one", async () => {
  const { rig, session } = await detached();
  const { ws } = await resume(rig, again(session, 3));
  for (const attempt of [1, 2, 3])
    expect(await refusal(rig, PATH, again(session, attempt))).toMatchObject({
      status: 409,
      body: { code: "stale_attempt" },
    });
  expect(ws.readyState).toBe(ws.OPEN);
});

test("T-11 of two attempts at once the higher one wins, whichever is admitted first", async () => {
  const { pod } = await given();
  const gates = [Promise.resolve(), Promise.withResolvers<void>(), Promise.withResolvers<void>()] as const;
  const admission: Admission = {
    userId: "u1",
    reservationId: ID,
    dial: () => pod.dial(),
    recheck: async () => undefined,
  };
  const admit = async ({ attempt }: TunnelRequest): Promise<Admission> => {
    const gate = gates[attempt - 1];
    await (gate && "promise" in gate ? gate.promise : gate);
    return admission;
  };
  const { rig } = await given({ admit });
  const { ws, headers } = await open(rig);
  const session = String(headers["gpu-dev-session"]);
  const closed = once(ws, "close");
  const early = refusal(rig, PATH, again(session, 2, 0));
  const late = resume(rig, again(session, 3, 0));
  gates[2].resolve();
  const { ws: winner } = await late;
  await closed;
  gates[1].resolve();
  expect((await early).body.code).toBe("stale_attempt");
  expect(winner.readyState).toBe(winner.OPEN);
  expect(rig.gateway.count()).toBe(1);
});

test("T-11 nothing is taken from the old connection once its count was told to the new one", async () => {
  const { rig, pod } = await given();
  const { ws, headers } = await open(rig);
  await expect.poll(() => pod.accepted.length).toBe(1);
  const heard: Buffer[] = [];
  pod.accepted[0]?.on("data", (data) => heard.push(data));
  ws.send(Buffer.from("1"));
  const back = resume(rig, again(String(headers["gpu-dev-session"]), 2, 0));
  for (let i = 0; i < 100 && ws.readyState === ws.OPEN; i++) {
    ws.send(Buffer.from("1"));
    await new Promise((done) => setImmediate(done));
  }
  const { ws: next, received } = await back;
  next.send(Buffer.from("2"));
  await expect.poll(() => Buffer.concat(heard).toString()).toContain("2");
  expect(Buffer.concat(heard).toString()).toBe(`${"1".repeat(Number(received))}2`);
});

test("T-11 bytes that are not kept cannot be had: 400, and the session goes on waiting", async () => {
  const { rig, session } = await detached();
  const { status, body } = await refusal(rig, PATH, again(session, 2, 6));
  expect([status, body.code]).toEqual([400, "invalid_input"]);
  expect(body.detail).toBe("the session cannot go on from byte 6");
  await resume(rig, again(session, 3));
});

test("T-08 T-11 somebody else's session is not found, and the token is asked first", async () => {
  const users: Record<string, string> = { [TOKEN]: "u1", other: "u2" };
  const { pod: someones } = await given();
  const admit = async ({ token = "", reservation }: TunnelRequest): Promise<Admission> => {
    const userId = users[token];
    if (!userId) throw new Problem("not_logged_in", "no such token");
    return {
      userId,
      reservationId: reservation,
      dial: () => someones.dial(),
      recheck: async () => undefined,
    };
  };
  const { rig } = await given({ admit });
  const session = String((await open(rig)).headers["gpu-dev-session"]);
  expect(await refusal(rig, PATH, again(session, 2, 0, "nobody"))).toMatchObject({ status: 401 });
  expect(await refusal(rig, PATH, again(session, 2, 0, "other"))).toMatchObject({
    status: 404,
    body: { code: "not_found" },
  });
  const elsewhere = `/v1/tunnel/${"b".repeat(20)}`;
  expect(await refusal(rig, elsewhere, again(session, 2, 0))).toMatchObject({ status: 404 });
  await resume(rig, again(session, 2, 0));
});

test("T-11 T-01 after its window a session is gone; the reason is told for five minutes more", async () => {
  const { rig, clock, session } = await detached();
  clock.tick(5 * MINUTES);
  await expect.poll(() => rig.gateway.count()).toBe(0);
  const told = async (): Promise<string> => {
    const { status, body } = await refusal(rig, PATH, again(session, 2));
    expect([status, body.code]).toEqual([410, "session_gone"]);
    return body.detail;
  };
  clock.tick(5 * MINUTES - 2_000);
  expect(await told()).toBe("its client did not come back within 300 s");
  clock.tick(2_000);
  expect(await told()).toContain("does not know it");
  expect(clock.pending).toBe(0);
});

test("T-11 a session that came back has its whole window again", async () => {
  const { rig, clock, session } = await detached();
  clock.tick(4 * MINUTES);
  const { ws } = await resume(rig, again(session, 2));
  clock.tick(30_000);
  ws.terminate();
  await expect.poll(() => rig.logs.filter((line) => line.includes("tunnel detached")).length).toBe(2);
  clock.tick(4 * MINUTES);
  await resume(rig, again(session, 3));
});

test("T-08 T-11 a detached session ends with its access, and its token's successor keeps it alive", async () => {
  const revoked = new Problem("not_logged_in", "the token was revoked");
  const slow = Promise.withResolvers<Problem>();
  const answers: Record<string, Problem | Promise<Problem> | undefined> = { [TOKEN]: slow.promise };
  const { pod } = await given();
  const admit = async ({ token = "" }: TunnelRequest): Promise<Admission> => ({
    userId: "u1",
    reservationId: ID,
    dial: () => pod.dial(),
    recheck: async () => answers[token],
  });
  const clock = new FakeClock();
  const { rig } = await given({ admit, clock });
  const { ws, headers } = await open(rig);
  const session = String(headers["gpu-dev-session"]);
  // This check is under way when the token is replaced.
  clock.tick(2_000);
  ws.terminate();
  const next = await resume(rig, again(session, 2, 0, "next"));
  answers[TOKEN] = revoked;
  clock.tick(2_000);
  slow.resolve(revoked);
  next.ws.ping();
  await once(next.ws, "pong");
  expect(next.lines).toEqual([]);
  next.ws.terminate();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  answers.next = revoked;
  clock.tick(2_000);
  await expect.poll(() => rig.gateway.count()).toBe(0);
  expect((await refusal(rig, PATH, again(session, 3, 0))).body.detail).toBe("the token was revoked");
});

test("T-11 a gateway that closes ends detached sessions, and says so to those who come back", async () => {
  const { rig, session, clock } = await detached();
  const closed = rig.gateway.close(60_000);
  clock.tick(59_999);
  expect(rig.gateway.count()).toBe(1);
  clock.tick(1);
  await closed;
  expect((await refusal(rig, PATH, again(session, 2))).body).toMatchObject({
    code: "session_gone",
    detail: "the server is shutting down; try again in a moment",
  });
  expect(clock.pending).toBe(0);
});

test("T-01 a client that vanishes while it is taken back leaves its session to the next attempt", async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const { pod } = await given();
  const admit = async ({ attempt }: TunnelRequest): Promise<Admission> => {
    if (attempt === 2) asked.resolve();
    if (attempt === 2) await gate.promise;
    return { userId: "u1", reservationId: ID, dial: () => pod.dial(), recheck: async () => undefined };
  };
  const { rig } = await given({ admit });
  const session = String((await open(rig)).headers["gpu-dev-session"]);
  const gone = http.request(rig.url + PATH, { headers: { ...HEADERS, ...again(session, 2, 0) } }).end();
  gone.on("error", () => undefined);
  await asked.promise;
  gone.destroy();
  gate.resolve();
  await resume(rig, again(session, 3, 0));
});
