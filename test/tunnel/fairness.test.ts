/** What one tunnel may cost the others, and itself: nothing that a slow reader or a bulk transfer does holds up a keystroke. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import type { WebSocket } from "ws";
import { pass, startClient } from "./client-scene.ts";
import { cleanups, given, open } from "./gateway-scene.ts";
import { startHostileGateway, type Visit } from "./hostile-gateway.ts";
import { fragments, frame, OPCODE } from "./raw-frames.ts";
import type { Rig } from "./rig.ts";
import type { TestPod } from "./test-pod.ts";

const MIB = 1024 * 1024;
const ECHOES = 20;

interface Tunnel {
  readonly ws: WebSocket;
  readonly pod: Socket;
}

async function tunnel(rig: Rig, pod: TestPod): Promise<Tunnel> {
  const before = pod.accepted.length;
  const { ws } = await open(rig);
  await expect.poll(() => pod.accepted.length).toBe(before + 1);
  return { ws, pod: pod.accepted[before] as Socket };
}

/** Writes as fast as it is taken, until the end of the test; how much was taken. */
function flood(to: Socket): () => number {
  const chunk = Buffer.alloc(64 * 1024);
  let taken = 0;
  const write = (): void => {
    to.write(chunk, (error) => {
      if (error) return;
      taken += chunk.length;
      write();
    });
  };
  write();
  return () => taken;
}

/** Sends a few bytes and waits until they are back. */
async function echo({ ws, pod }: Tunnel): Promise<void> {
  pod.once("data", (data) => pod.write(data));
  const back = new Promise<void>((resolve) => {
    const onMessage = (_: unknown, binary: boolean): void => {
      if (!binary) return;
      ws.off("message", onMessage);
      resolve();
    };
    ws.on("message", onMessage);
  });
  ws.send(Buffer.from("key"));
  await back;
}

/** The same count at several looks in a row. */
async function still(count: () => number): Promise<void> {
  let [before, same] = [-1, 0];
  const look = (): number => {
    same = count() === before ? same + 1 : 0;
    before = count();
    return same;
  };
  await expect.poll(look, { interval: 50 }).toBeGreaterThanOrEqual(5);
}

test("T-09 a client that reads nothing, and a pod that reads nothing, hold up no other tunnel", async () => {
  const { rig, pod } = await given();
  const [deaf, flooding, typing] = [await tunnel(rig, pod), await tunnel(rig, pod), await tunnel(rig, pod)];
  deaf.ws.pause();
  const taken = flood(deaf.pod);
  await still(taken);
  // As much as the window allows; the pod of this one never reads.
  for (let i = 0; i < 8; i++) flooding.ws.send(Buffer.alloc(MIB));
  await expect.poll(() => flooding.ws.bufferedAmount).toBe(0);
  for (let i = 0; i < ECHOES; i++) await echo(typing);
  // The one whose pod reads nothing is still asked whether it lives.
  flooding.ws.ping();
  await once(flooding.ws, "pong");
  deaf.ws.resume();
  await expect.poll(() => rig.gateway.state().connected).toBe(3);
});

test("T-09 a keystroke passes by a bulk transfer each way, of which only some turns' worth gets through meanwhile", async () => {
  const { rig, pod } = await given();
  const [down, up, typing] = [await tunnel(rig, pod), await tunnel(rig, pod), await tunnel(rig, pod)];
  let [read, sent] = [0, 0];
  down.ws.on("message", (data: Buffer, binary) => {
    if (binary) read += data.length;
    down.ws.send(`ack ${read}`);
  });
  flood(down.pod);
  let consumed = 0;
  up.pod.on("data", (data: Buffer) => {
    consumed += data.length;
  });
  const chunk = Buffer.alloc(64 * 1024);
  const push = (): void => {
    while (up.ws.readyState === up.ws.OPEN && sent - consumed < 2 * MIB) {
      sent += chunk.length;
      up.ws.send(chunk);
    }
  };
  const pushing = setInterval(push, 1);
  cleanups.push(() => clearInterval(pushing));
  await expect.poll(() => Math.min(read, consumed)).toBeGreaterThan(8 * MIB);
  const passed: number[] = [];
  for (let i = 0; i < 5; i++) {
    const before = read + consumed;
    await echo(typing);
    passed.push(read + consumed - before);
  }
  const median = passed.sort((a, b) => a - b)[2] as number;
  // A turn of the event loop takes up to 2 MiB from each socket, and all four ends of all three tunnels share this loop.
  expect(median).toBeLessThan(64 * MIB);
});

test("T-09 T-10 a client whose reader is stopped answers pings", async () => {
  let visit: Visit | undefined;
  const url = await startHostileGateway((next) => {
    visit = next;
    next.write(next.accept(1, 0));
  });
  const client = startClient(url);
  await expect.poll(() => visit?.lines[0]).toBe("ack 0");
  const bulk = Buffer.alloc(64 * 1024);
  for (let i = 0; i < 64; i++) visit?.write(fragments(OPCODE.binary, bulk, MIB, false));
  visit?.write(frame(OPCODE.ping, Buffer.from("there?"), { masked: false }));
  await expect.poll(() => visit?.pongs).toEqual(["there?"]);
  // One byte more than the window is too much: the client says so, and ends.
  visit?.write(frame(OPCODE.binary, Buffer.alloc(1), { masked: false }));
  await expect.poll(() => visit?.lines.at(-1)).toMatch(/^bye protocol /);
  client.stdout.resume();
  await pass(client, () => client.end !== undefined);
  expect(client.end?.exitCode).toBe(255);
});
