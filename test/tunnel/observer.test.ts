/** What a gateway tells those who count its tunnels: one record for each, whatever ended it. */
import { once } from "node:events";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { type GatewayObserver, type TunnelRecord, tunnelEnd } from "../../src/tunnel/observer.ts";
import { Stopwatch } from "../../src/tunnel/stopwatch.ts";
import { FakeClock } from "./fake-clock.ts";
import { cleanups, given, open, refusal } from "./gateway-scene.ts";
import { ID, type Rig } from "./rig.ts";
import type { TestPod } from "./test-pod.ts";

interface Heard {
  readonly observer: GatewayObserver;
  readonly records: TunnelRecord[];
  readonly told: string[];
}

function listener(): Heard {
  const [records, told] = [[] as TunnelRecord[], [] as string[]];
  const observer: GatewayObserver = {
    opened: () => told.push("opened"),
    resumed: () => told.push("resumed"),
    refused: (code) => told.push(`refused ${code}`),
    firstByte: (ms) => told.push(`firstByte ${ms}`),
    echo: (direction, ms) => told.push(`echo ${direction} ${ms}`),
    closed: (record) => records.push(record),
  };
  return { records, told, observer };
}

async function scene(): Promise<Heard & { rig: Rig; pod: TestPod; clock: FakeClock }> {
  const heard = listener();
  const clock = new FakeClock();
  return { ...(await given({ clock, observer: heard.observer })), ...heard, clock };
}

test("O-03 a tunnel is recorded once, with its bytes, its times and where it came from", async () => {
  const { rig, pod, clock, records, told } = await scene();
  clock.tick(1_000);
  const { ws, headers } = await open(rig);
  ws.send(Buffer.from("four"));
  await expect.poll(() => pod.accepted.length).toBe(1);
  pod.accepted[0]?.write("seven77");
  await once(ws, "message");
  expect(rig.gateway.state()).toMatchObject({ connected: 1, up: 4, down: 7 });
  clock.tick(500);
  ws.send("bye done over");
  await expect
    .poll(() => records)
    .toEqual([
      {
        session: headers["gpu-dev-session"],
        userId: "u1",
        reservationId: ID,
        node: 0,
        port: 22,
        remoteAddress: "127.0.0.1",
        openedAt: 1_000,
        endedAt: 1_500,
        up: 4,
        down: 7,
        resumes: 0,
        end: "done",
        text: "over",
      },
    ]);
  expect(told.filter((line) => !line.startsWith("echo"))).toEqual(["opened", "firstByte 0"]);
  expect(told.filter((line) => line.startsWith("echo")).sort()).toEqual(["echo down 0", "echo up 0"]);
  await expect
    .poll(() => rig.gateway.state())
    .toEqual({ opening: 0, connected: 0, detached: 0, up: 4, down: 7 });
});

test("O-03 bytes that are sent again count once, and a resume is told", async () => {
  const { rig, pod, records, told } = await scene();
  const { ws, headers } = await open(rig);
  await expect.poll(() => pod.accepted.length).toBe(1);
  pod.accepted[0]?.write("12345");
  await once(ws, "message");
  ws.terminate();
  await expect.poll(() => rig.gateway.state().detached).toBe(1);
  const again = { "gpu-dev-session": String(headers["gpu-dev-session"]), "gpu-dev-received": "2" };
  const back = await open(rig, "port=22&node=0", { ...again, "gpu-dev-attempt": "2" });
  expect(rig.gateway.state()).toMatchObject({ connected: 1, detached: 0, down: 5 });
  back.ws.send("bye hangup told to end");
  await expect.poll(() => records).toMatchObject([{ down: 5, up: 0, resumes: 1, end: "hangup" }]);
  expect(told.filter((line) => line === "resumed")).toHaveLength(1);
});

const ENDS: Record<string, (scene: Awaited<ReturnType<typeof opened>>) => unknown> = {
  protocol: ({ ws }) => ws.send("nonsense"),
  client: ({ ws }) => ws.send("bye protocol you are wrong"),
  reservation_ended: ({ rig }) => rig.gateway.endReservation(ID, new Problem("reservation_ended", "at noon")),
  other: ({ rig }) => rig.gateway.endReservation(ID, new Problem("internal", "x")),
  draining: ({ rig }) => rig.gateway.close(0),
  pod_lost: ({ pod, ws }) => {
    ws.on("message", (data, binary) => !binary && String(data).startsWith("bye") && ws.send("bye done x"));
    pod.accepted[0]?.resetAndDestroy();
  },
  not_logged_in: ({ rig, clock }) => {
    rig.revoked = new Problem("not_logged_in", "revoked");
    clock.tick(2_000);
  },
  not_resumed: async ({ rig, ws, clock }) => {
    ws.terminate();
    await expect.poll(() => rig.gateway.state().detached).toBe(1);
    clock.tick(300_000);
  },
};

async function opened() {
  const all = await scene();
  const { ws } = await open(all.rig);
  await expect.poll(() => all.pod.accepted.length).toBe(1);
  cleanups.push(() => ws.terminate());
  return { ...all, ws };
}

test.each(Object.keys(ENDS))("O-03 an end has a word: %s", async (end) => {
  const all = await opened();
  await ENDS[end]?.(all);
  await expect.poll(() => all.records.map((record) => record.end)).toEqual([end]);
});

test("O-02 a refusal is told by its code", async () => {
  const { rig, told } = await scene();
  await refusal(rig, "/v1/tunnel/nope");
  await refusal(rig, `/v1/tunnel/${ID}`, { authorization: "Bearer wrong" });
  expect(told).toEqual(["refused invalid_input", "refused not_logged_in"]);
});

test("an end that only a client can have, and words of nobody's list, are `other`", () => {
  expect(tunnelEnd({ kind: "delivered" }, false)).toBe("other");
  expect(tunnelEnd({ kind: "said", code: "constructor", text: "" }, false)).toBe("other");
});

test("the echo of one message of eight is measured, from the first byte that waits for nothing", () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  const watch = new Stopwatch(clock, (ms) => seen.push(ms));
  watch.stop();
  for (let message = 0; message < 17; message++) {
    watch.start();
    clock.tick(message);
    watch.start();
    clock.tick(100);
    watch.stop();
    watch.stop();
  }
  // Each message is begun twice here.
  expect(seen).toEqual([100, 104, 108, 112, 116]);
});

test("the echo is measured at most every 100 ms", () => {
  const clock = new FakeClock();
  const seen: number[] = [];
  const watch = new Stopwatch(clock, (ms) => seen.push(ms));
  const measure = (): void => {
    for (let message = 0; message < 8; message++) watch.start();
    watch.stop();
  };
  measure();
  clock.tick(99);
  measure();
  expect(seen).toEqual([0]);
  clock.tick(1);
  measure();
  expect(seen).toEqual([0, 0]);
});
