/** Limits, and what becomes of sessions whose client is away when their user is at one. */
import { expect, test } from "vitest";
import type { Admission } from "../../src/tunnel/gateway.ts";
import type { TunnelRequest } from "../../src/tunnel/tunnel-request.ts";
import { FakeClock } from "./fake-clock.ts";
import { given, open, refusal } from "./gateway-scene.ts";
import { ID, type Rig, TOKEN } from "./rig.ts";
import type { TestPod } from "./test-pod.ts";

interface Scene {
  readonly rig: Rig;
  readonly pod: TestPod;
  readonly clock: FakeClock;
}

async function scene(options: object): Promise<Scene> {
  const clock = new FakeClock();
  return { ...(await given({ clock, ...options })), clock };
}

/** A session whose client is gone; its id. */
async function detached({ rig, clock }: Scene): Promise<string> {
  const before = rig.gateway.state().detached;
  const { ws, headers } = await open(rig);
  ws.terminate();
  await expect.poll(() => rig.gateway.state().detached).toBe(before + 1);
  clock.tick(1);
  return String(headers["gpu-dev-session"]);
}

const back = (session: string) => ({
  "gpu-dev-session": session,
  "gpu-dev-received": "0",
  "gpu-dev-attempt": "2",
  authorization: `Bearer ${TOKEN}`,
});
const PATH = `/v1/tunnel/${ID}?port=22&node=0`;

test.each([{ maxPerUser: 3 }, { maxPerReservation: 3 }])(
  "T-01 T-06 with %o, the session that was left first makes room, and who comes back to it is told",
  async (limits) => {
    const all = await scene(limits);
    const sessions = [await detached(all), await detached(all)];
    const { ws } = await open(all.rig);
    expect(all.rig.gateway.state()).toMatchObject({ connected: 1, detached: 2, opening: 0 });
    await open(all.rig);
    expect(all.rig.gateway.state()).toMatchObject({ connected: 2, detached: 1, opening: 0 });
    expect(await refusal(all.rig, PATH, back(sessions[0] as string))).toMatchObject({
      status: 410,
      body: {
        code: "session_gone",
        detail: "its client was away, and its user opened more tunnels than are allowed",
      },
    });
    await open(all.rig);
    // All that is left has its client: nothing gives way any more.
    expect(all.rig.gateway.state()).toMatchObject({ connected: 3, detached: 0 });
    expect(await refusal(all.rig)).toMatchObject({ status: 429, body: { code: "too_many_tunnels" } });
    ws.send("bye done x");
    await expect.poll(() => all.rig.gateway.count()).toBe(2);
  },
);

test("T-06 tunnels at other gateways count, and who is away here makes room for one that is here", async () => {
  const held = { ofUser: 2, ofReservation: 0 };
  const all = await scene({ maxPerUser: 3, elsewhere: async () => held });
  await detached(all);
  await open(all.rig);
  expect(all.rig.gateway.state()).toMatchObject({ connected: 1, detached: 0 });
  expect(await refusal(all.rig)).toMatchObject({
    status: 429,
    body: { code: "too_many_tunnels", detail: "you have 3 tunnels open, which is the limit" },
  });
  held.ofUser = 1;
  await open(all.rig);
  Object.assign(held, { ofUser: 0, ofReservation: 48 });
  expect(await refusal(all.rig)).toMatchObject({ status: 429, body: { code: "too_many_tunnels" } });
});

test("T-06 ten that come at once into three left sessions' places: three get in, seven are told", async () => {
  const all = await scene({ maxPerUser: 3 });
  for (let i = 0; i < 3; i++) await detached(all);
  const answers = await Promise.allSettled(Array.from({ length: 10 }, () => open(all.rig)));
  expect(answers.filter(({ status }) => status === "fulfilled")).toHaveLength(3);
  expect(all.rig.gateway.state()).toMatchObject({ connected: 3, detached: 0, opening: 0 });
  expect(all.rig.logs.filter((line) => line.includes("too_many_tunnels"))).toHaveLength(7);
});

test("T-06 nobody's session gives way for another user of the same reservation", async () => {
  let user = "u1";
  const { pod } = await given();
  const admit = async (_: TunnelRequest): Promise<Admission> => ({
    userId: user,
    reservationId: ID,
    dial: () => pod.dial(),
    recheck: async () => undefined,
  });
  const all = await scene({ admit, maxPerReservation: 1 });
  await detached(all);
  user = "u2";
  expect(await refusal(all.rig)).toMatchObject({ status: 429, body: { code: "too_many_tunnels" } });
  expect(all.rig.gateway.state().detached).toBe(1);
});
