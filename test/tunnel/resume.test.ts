/** The ssh-proxy and the gateway with a network between them that breaks: what a user of ssh never notices. */
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import type { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { TunnelRequest } from "../../src/tunnel/tunnel-request.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";
import { Cutter, cutAt } from "./cutter.ts";
import { ID, outcome, pointTo, type Rig, TOKEN } from "./rig.ts";
import { atEnd, given as givenRig, start } from "./scene.ts";
import type { TestPod } from "./test-pod.ts";

/** One second is the promise; this tells hanging from a busy machine. */
const HANGING_MS = 25_000;

const MIB = 1024 * 1024;
const SIZE = 64 * MIB;
/** A slow reader stops for a moment after so many bytes. */
const STOP = 4 * MIB;
const SEED = chosenSeed();

/** A rig that the ssh-proxy reaches through a network of ours. */
async function given(
  serve: (socket: Socket) => void,
  options = {},
): Promise<{ rig: Rig; pod: TestPod; cutter: Cutter }> {
  const { rig, pod } = await givenRig(serve, options);
  const cutter = new Cutter(rig.port);
  atEnd(() => cutter.close());
  await cutter.listen();
  pointTo(rig.home, cutter.url);
  return { rig, pod, cutter };
}

/** Numbered, so that a lost, doubled or swapped piece shows in the sum. */
function* payload(): Generator<Buffer> {
  for (let i = 0; i < SIZE / MIB; i++) yield Buffer.alloc(MIB, `piece ${i}, `);
}

function sumOf(parts: Iterable<Buffer>): string {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
}
const SUM = sumOf(payload());

/** Ten places in the traffic of a transfer each way. */
function places(bytes: number): number[] {
  const random = randomFrom(SEED);
  return Array.from({ length: 10 }, () => Math.floor(random() * bytes));
}

const resumes = ({ logs }: Rig): number => logs.filter((line) => line.includes("tunnel resumed")).length;
const firstBytes = (child: ChildProcess): Promise<unknown> => once(child.stdout as Readable, "data");

/** Reads `size` bytes; one that is slow stops for a moment after every few megabytes. */
async function read(from: Readable, size: number, isSlow: boolean): Promise<string> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const data of from.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    hash.update(data);
    if (isSlow && Math.floor(bytes / STOP) < Math.floor((bytes + data.length) / STOP)) await pause(20);
    bytes += data.length;
    if (bytes >= size) break;
  }
  return hash.digest("hex");
}

test.each(["fast", "slow"])(
  "T-11 64 MiB each way at once to %s readers, cut 10 times, arrive byte for byte",
  async (pace) => {
    const isSlow = pace === "slow";
    const up = Promise.withResolvers<string>();
    const { rig, cutter } = await given((socket) => {
      up.resolve(read(socket, SIZE, isSlow));
      void Promise.all([up.promise, pipeline(payload, socket, { end: false })]).then(() => socket.end());
    });
    const cuts = cutAt(cutter, places(SIZE * 2));
    const child = start(rig);
    const exited = once(child, "exit");
    const [down] = await Promise.all([
      read(child.stdout as Readable, SIZE, isSlow),
      pipeline(payload, child.stdin as Writable, { end: false }),
    ]);
    expect([await up.promise, down], `seed ${SEED}`).toEqual([SUM, SUM]);
    expect(await exited).toEqual([0, null]);
    expect(cuts.left).toBe(0);
    expect(resumes(rig)).toBeGreaterThan(5);
    await expect.poll(() => rig.gateway.count()).toBe(0);
  },
);

test("T-11 what the pod said and its end arrive, though both came while the connection was broken", async () => {
  const { rig, pod, cutter } = await given((socket) => socket.write("first "));
  const child = start(rig);
  const ended = outcome(child);
  await firstBytes(child);
  cutter.refusing = true;
  cutter.cut();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  pod.accepted[0]?.end("last words");
  cutter.refusing = false;
  expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: Buffer.from("first last words") });
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-07 T-11 the token is read afresh and checked again at each resume", async () => {
  const tokens: (string | undefined)[] = [];
  const { rig, pod, cutter } = await given((socket) => socket.write("hello"), {
    admit: async ({ token }: TunnelRequest) => {
      tokens.push(token);
      if (token === "revoked") throw new Problem("not_logged_in", "the token was revoked");
      return { userId: "u1", reservationId: ID, dial: () => pod.dial(), recheck: async () => undefined };
    },
  });
  const child = start(rig);
  const ended = outcome(child);
  await firstBytes(child);
  for (const token of ["replaced", "revoked"]) {
    pointTo(rig.home, cutter.url, token);
    cutter.cut();
    await expect.poll(() => tokens.at(-1)).toBe(token);
  }
  expect(tokens).toEqual([TOKEN, "replaced", "revoked"]);
  expect(await ended).toMatchObject({
    code: 255,
    stderr: expect.stringMatching(
      /^gpu-dev: Not logged in: the token was revoked; check GPU_DEV_TOKEN[^\n]*\n$/,
    ),
  });
});

test("T-08 a reservation that ended while the connection was broken is told at the next dial", async () => {
  const { rig, cutter } = await given((socket) => socket.write("hello"));
  const child = start(rig);
  const ended = outcome(child);
  await firstBytes(child);
  cutter.refusing = true;
  cutter.cut();
  await expect.poll(() => rig.logs.at(-1)).toContain("tunnel detached");
  rig.gateway.endReservation(ID, new Problem("reservation_ended", "it expired at 12:00"));
  await expect.poll(() => rig.gateway.count()).toBe(0);
  cutter.refusing = false;
  expect(await ended).toMatchObject({
    code: 255,
    stderr: "gpu-dev: The tunnel's session is gone: it expired at 12:00; connect again\n",
  });
});

test.each(["the end of stdin", "SIGTERM", "SIGHUP"] as const)(
  "T-13 %s ends it quietly while the connection is broken",
  async (how) => {
    const { rig, cutter } = await given((socket) => socket.write("hello"));
    const child = start(rig);
    const ended = outcome(child);
    await firstBytes(child);
    cutter.refusing = true;
    cutter.cut();
    await expect.poll(() => cutter.accepted).toBeGreaterThan(3);
    const since = Date.now();
    if (how === "the end of stdin") child.stdin?.end();
    else child.kill(how);
    const { code, stderr } = await ended;
    expect(stderr).toBe("");
    expect(code).not.toBe(0);
    expect(Date.now() - since).toBeLessThan(HANGING_MS);
  },
);

test("T-13 the end of stdin ends it quietly while a dial gets no answer", async () => {
  const { rig, cutter } = await given((socket) => socket.write("hello"));
  const child = start(rig);
  const ended = outcome(child);
  await firstBytes(child);
  cutter.silence();
  cutter.cut();
  await expect.poll(() => cutter.accepted).toBe(2);
  const since = Date.now();
  child.stdin?.end();
  expect(await ended).toMatchObject({ code: 255, stderr: "" });
  expect(Date.now() - since).toBeLessThan(HANGING_MS);
});

test("T-13 the end of stdin while the connection is broken still reaches a pod that can be reached", async () => {
  const heard = Promise.withResolvers<string>();
  const { rig, cutter } = await given((socket) => {
    socket.write("hello");
    void socket.toArray().then((parts) => {
      heard.resolve(Buffer.concat(parts).toString());
      socket.end("goodbye");
    });
  });
  const child = start(rig);
  const ended = outcome(child);
  await firstBytes(child);
  cutter.refusing = true;
  cutter.cut();
  await expect.poll(() => cutter.accepted).toBeGreaterThan(4);
  cutter.refusing = false;
  child.stdin?.end("my last words");
  expect(await heard.promise).toBe("my last words");
  expect(await ended).toMatchObject({ code: 0, stderr: "", stdout: Buffer.from("hellogoodbye") });
});
