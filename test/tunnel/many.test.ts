/** Many tunnels of real ssh at once. */
import { once } from "node:events";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ended, outcome, type Rig, startRig } from "./rig.ts";
import { configureSsh, spawnSsh } from "./ssh-rig.ts";
import { type Sshd, startSshd } from "./sshd.ts";

const TUNNELS = process.env.GPU_DEV_SOAK === undefined ? 20 : 100;

let sshd: Sshd;
let rig: Rig;
beforeAll(async () => {
  sshd = await startSshd();
  rig = await startRig({ dial: () => sshd.dial(), maxPerUser: TUNNELS, maxPerReservation: TUNNELS });
  await configureSsh(rig, sshd);
});
afterAll(async () => {
  await rig.close();
  await sshd.stop();
});

/** Logs in, says that it is in, and holds its place until it is told to go. */
function enter(number: number): { in: Promise<unknown>; leave(): Promise<Ended> } {
  const child = spawnSsh(rig, `echo in ${number}; cat`);
  const said = once(child.stdout ?? child, "data");
  const ended = outcome(child);
  return {
    in: Promise.race([said, ended]),
    leave: () => {
      child.stdin?.end(`out ${number}\n`);
      return ended;
    },
  };
}

test("T-16 as many as may be open at once, opened at once, all log in, and each has its own bytes", {
  timeout: 300_000,
}, async () => {
  const guests = Array.from({ length: TUNNELS }, (_, number) => enter(number));
  await Promise.all(guests.map((guest) => guest.in));
  expect(rig.gateway.state()).toMatchObject({ connected: TUNNELS, detached: 0, opening: 0 });
  const ends = await Promise.all(guests.map((guest) => guest.leave()));
  for (const [number, { code, stdout, stderr }] of ends.entries())
    expect([code, stdout.toString(), stderr]).toEqual([0, `in ${number}\nout ${number}\n`, ""]);
  await expect.poll(() => rig.gateway.count()).toBe(0);
});
