/** The opening cut at each of its bytes, at both ends. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, test } from "vitest";
import { pass, startClient } from "./client-scene.ts";
import { FakeClock } from "./fake-clock.ts";
import { given, HEADERS, open } from "./gateway-scene.ts";
import { startHostileGateway, type Visit } from "./hostile-gateway.ts";
import { fragments, OPCODE } from "./raw-frames.ts";
import { ID } from "./rig.ts";

const REQUEST = [
  `GET /v1/tunnel/${ID}?port=22&node=0 HTTP/1.1`,
  "Host: gateway.test",
  ...Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}`),
  "",
  "",
].join("\r\n");
const SIGN = fragments(OPCODE.text, Buffer.from("ack 0"), 100);

/** Sends so much of an opening and leaves, by a reset or in good order. */
async function visit(port: number, bytes: Buffer): Promise<void> {
  const socket: Socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined);
  socket.resume();
  const closed = once(socket, "close");
  await new Promise((written) => socket.write(bytes, written));
  if (bytes.length % 2 === 0) socket.end();
  else socket.resetAndDestroy();
  await closed;
}

test("T-01 a client that leaves at any byte of its opening leaves nothing at the gateway", async () => {
  const clock = new FakeClock();
  const { rig, pod } = await given({ clock, maxPerUser: 10_000, maxPerReservation: 10_000 });
  const whole = Buffer.concat([Buffer.from(REQUEST), SIGN]);
  for (let length = 0; length <= whole.length; length++) await visit(rig.port, whole.subarray(0, length));
  // The last ones were admitted, and wait for their client.
  await expect.poll(() => rig.gateway.state().opening).toBe(0);
  expect(rig.gateway.count()).toBeLessThanOrEqual(SIGN.length + 1);
  clock.tick(10_000);
  clock.tick(300_000);
  await expect.poll(() => rig.gateway.count()).toBe(0);
  await expect
    .poll(() => pod.accepted.every((socket) => socket.destroyed || socket.readableEnded))
    .toBe(true);
  await expect.poll(() => clock.pending).toBe(0);
  await open(rig);
});

/** The gateway's answer, cut after so many bytes. */
async function answered(length: (whole: number) => number, leave: (visit: Visit) => void) {
  let whole = 0;
  const url = await startHostileGateway((visit) => {
    const answer = visit.accept(1, 0);
    whole = answer.length;
    visit.write(answer.slice(0, length(whole)));
    leave(visit);
  });
  const client = startClient(url, { setUpMs: 0 });
  await pass(client, () => client.end !== undefined, { step: 1_000 });
  return { client, whole };
}

test("T-05 T-06 an answer that is cut at any byte is a failure with one line, and never a tunnel", async () => {
  const { whole } = await answered(
    () => 0,
    ({ socket }) => socket.destroy(),
  );
  for (let length = 0; length < whole; length++) {
    const { client } = await answered(
      () => length,
      ({ socket }) => socket.end(),
    );
    expect(client.end).toMatchObject({ exitCode: 255, message: expect.stringMatching(/^[^\p{Cc}]{20,}$/u) });
    expect(client.stdout.readableLength).toBe(0);
  }
});

test("T-01 T-06 an answer that stops at any tenth byte, with the connection open, ends the set-up in time", async () => {
  for (let length = 0; length < 250; length += 10) {
    const { client } = await answered(
      () => length,
      () => undefined,
    );
    expect(client.end?.exitCode).toBe(255);
    expect(client.end?.message).toContain("ETIMEDOUT");
    expect(client.world.clock.now()).toBeLessThanOrEqual(21_000);
  }
});
