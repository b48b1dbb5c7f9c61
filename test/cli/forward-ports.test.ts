/** Forwarded ports before a real gateway and a pod of our own, over a network that breaks. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { Forwarding, type ForwardOptions } from "../../src/cli/ssh/forward-ports.ts";
import { freePort } from "../helpers/free-port.ts";
import { Cutter, cutAt } from "../tunnel/cutter.ts";
import { ID, type Rig, TOKEN } from "../tunnel/rig.ts";
import { atEnd, given as givenRig, listen } from "../tunnel/scene.ts";
import { dialPort } from "../tunnel/sshd.ts";

const MIB = 1024 * 1024;

interface Scene {
  readonly rig: Rig;
  readonly cutter: Cutter;
  readonly forwarding: Forwarding;
  /** The local port. */
  readonly port: number;
  readonly lines: string[];
  readonly codes: string[];
}

/** Port 8888 of a pod on a free port of this machine, through a network of ours. */
async function given(
  serve?: (socket: Socket) => void,
  options: Partial<ForwardOptions> = {},
): Promise<Scene> {
  const limits = { maxPerUser: 100, maxPerReservation: 100 };
  const nobody = { dial: async () => dialPort(await freePort()) };
  const { rig } = await givenRig(serve, { ...limits, ...(serve ? {} : nobody) });
  const cutter = new Cutter(rig.port);
  atEnd(() => cutter.close());
  await cutter.listen();
  const [lines, codes] = [[] as string[], [] as string[]];
  const forwarding = new Forwarding({
    node: 0,
    id: ID,
    address: "127.0.0.1",
    server: () => ({ url: cutter.url, token: TOKEN, origin: "a test" }),
    say: (line) => lines.push(line),
    endsAll: (code) => codes.push(code) > 0 && code === "reservation_ended",
    ...options,
  });
  atEnd(() => forwarding.close());
  const { local } = await forwarding.listen({ local: 0, remote: 8888 });
  return { rig, cutter, forwarding, port: local, lines, codes };
}

const echo = (socket: Socket): unknown => socket.pipe(socket);

/** What comes back for `text`, with the end of both streams. */
async function exchange(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end(text);
  return Buffer.concat(await socket.toArray()).toString();
}

test("fifty connections at once are fifty tunnels, each with its own bytes", async () => {
  const { rig, port, lines } = await given(echo);
  const texts = Array.from({ length: 50 }, (_, i) => `connection ${i} `.repeat(5_000));
  expect(await Promise.all(texts.map((text) => exchange(port, text)))).toEqual(texts);
  expect(rig.logs.filter((line) => line.includes("tunnel opened"))).toHaveLength(50);
  expect(lines).toEqual([]);
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-11 a download that is cut in the middle goes on where it was", async () => {
  const pieces = Array.from({ length: 32 }, (_, i) => Buffer.alloc(MIB, `piece ${i}, `));
  const { rig, port, cutter, lines } = await given((socket) => void pipeline(pieces, socket));
  const cuts = cutAt(cutter, [1.5 * MIB, 7 * MIB, 19 * MIB, 30 * MIB]);
  const hash = createHash("sha256");
  const socket = connect({ port, host: "127.0.0.1" });
  for await (const data of socket) hash.update(data as Buffer);
  expect(hash.digest("hex")).toBe(createHash("sha256").update(Buffer.concat(pieces)).digest("hex"));
  expect(cuts.left).toBe(0);
  expect(rig.logs.filter((line) => line.includes("tunnel resumed")).length).toBeGreaterThan(1);
  expect(lines).toEqual([]);
});

test("T-06 a port on which nobody listens is one line at once, and a reset, never a clean end", async () => {
  const { port, lines, codes, rig } = await given();
  const socket = connect({ port, host: "127.0.0.1" });
  await expect(once(socket.resume(), "end")).rejects.toMatchObject({ code: "ECONNRESET" });
  await expect.poll(() => lines).toHaveLength(1);
  expect(lines[0]).toMatch(
    /^port 8888, connection from 127\.0\.0\.1:\d+: nothing answers on port 8888 of the pod; is your program running there\?$/,
  );
  expect(codes).toEqual(["pod_unreachable"]);
  expect(rig.logs.filter((line) => line.includes("tunnel refused"))).toHaveLength(1);
});

test("T-08 what ends all connections is told once, not for each", async () => {
  const { rig, port, lines, codes } = await given((socket) => socket.write("hello"));
  const sockets = [await dialPort(port), await dialPort(port)];
  for (const socket of sockets) socket.on("error", () => undefined);
  await Promise.all(sockets.map((socket) => once(socket, "data")));
  rig.gateway.endReservation(ID, new Problem("reservation_ended", "it expired"));
  await expect.poll(() => codes).toEqual(["reservation_ended", "reservation_ended"]);
  expect(lines).toEqual([]);
});

test("a server that is away is waited for, as ssh's tunnel does", async () => {
  const { cutter, port } = await given(echo);
  cutter.refusing = true;
  const answer = exchange(port, "patience");
  await expect.poll(() => cutter.accepted).toBeGreaterThan(1);
  cutter.refusing = false;
  expect(await answer).toBe("patience");
});

test("T-01 closing ends open connections, and leaves no socket and no session", async () => {
  const { rig, port, forwarding, lines } = await given((socket) => socket.write("hello"));
  const socket = await dialPort(port);
  await once(socket, "data");
  const gone = once(socket, "close").catch(() => undefined);
  socket.on("error", () => undefined);
  await forwarding.close();
  await gone;
  await expect.poll(() => rig.gateway.count()).toBe(0);
  await expect(dialPort(port)).rejects.toMatchObject({ code: "ECONNREFUSED" });
  expect(lines).toEqual([]);
});

test("X-07 more than 80 connections are refused with a line; when some are closed, others get in", async () => {
  const { rig, port, lines } = await given(echo);
  const open: Socket[] = [];
  for (let i = 0; i < 80; i++) open.push(await dialPort(port));
  for (const socket of open) socket.on("error", () => undefined).resume();
  await expect(exchange(port, "one too many")).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(lines).toEqual([expect.stringContaining("80 connections are open, which is the limit")]);
  for (const socket of open) socket.resetAndDestroy();
  await expect.poll(() => exchange(port, "next").catch(() => "refused")).toBe("next");
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("a port that is taken is a conflict, with the way out", async () => {
  const { forwarding } = await given(echo);
  const taken = await listen(createServer());
  await expect(forwarding.listen({ local: taken, remote: 80 })).rejects.toMatchObject({
    code: "port_taken",
    exit: 9,
    message: `127.0.0.1 port ${taken} is in use by another program`,
    hint: "`:80` takes a free local port, `LOCAL:80` one of your choice.",
  });
});

test("an address that is not of this machine cannot be listened on", async () => {
  await expect(given(echo, { address: "192.0.2.1" })).rejects.toMatchObject({
    code: "cannot_listen",
    exit: 1,
    hint: "Check --address.",
  });
});
