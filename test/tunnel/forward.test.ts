/** A tunnel for a forwarded port: either stream may end first, and the other goes on for as long as it likes. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { expect, test } from "vitest";
import { connectTo } from "../../src/drivers/local/ports.ts";
import { startClient } from "./client-scene.ts";
import type { Rig } from "./rig.ts";
import { given as givenRig } from "./scene.ts";

/** A rig whose pod is dialled as the driver does. */
async function given(serve: (socket: Socket) => void): Promise<Rig> {
  let port = 0;
  const { rig, pod } = await givenRig(serve, { dial: () => connectTo(port) });
  port = pod.port;
  return rig;
}

/** Longer than an ssh-proxy would wait after the end of stdin, shorter than the next ping. */
const LONG_MS = 10_000;

test("T-01 after the end of its stdin a forwarded port waits for the pod's answer as long as it takes", async () => {
  const ended = Promise.withResolvers<Socket>();
  const rig = await given((socket) => socket.resume().on("end", () => ended.resolve(socket)));
  const started = startClient(rig.url, { forward: true });
  started.stdin.end("a question");
  const pod = await ended.promise;
  started.world.clock.tick(LONG_MS);
  await new Promise((done) => setImmediate(done));
  expect(started.end).toBeUndefined();
  pod.end("the answer");
  expect(Buffer.concat(await started.stdout.toArray()).toString()).toBe("the answer");
  expect(await started.client.done).toMatchObject({ exitCode: 0, message: undefined });
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-02 after the end of the pod's stream a forwarded port still carries what its user sends", async () => {
  const heard = Promise.withResolvers<string>();
  const rig = await given((socket) => {
    void socket.toArray().then((parts) => heard.resolve(Buffer.concat(parts).toString()));
    socket.end("goodbye");
  });
  const started = startClient(rig.url, { forward: true });
  expect(Buffer.concat(await started.stdout.toArray()).toString()).toBe("goodbye");
  started.stdin.write("one, ");
  started.world.clock.tick(LONG_MS);
  started.stdin.end("two");
  expect(await heard.promise).toBe("one, two");
  expect(await started.client.done).toMatchObject({ exitCode: 0, message: undefined });
  await expect.poll(() => rig.gateway.count()).toBe(0);
});

test("T-01 a forwarded port whose user resets the connection leaves nothing", async () => {
  const connected = Promise.withResolvers<Socket>();
  const rig = await given((socket) => {
    socket.resume().on("end", () => socket.end());
    socket.write("hello");
    connected.resolve(socket);
  });
  const started = startClient(rig.url, { forward: true });
  await once(started.stdout, "readable");
  const pod = await connected.promise;
  started.stdout.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  expect(await started.client.done).toMatchObject({ exitCode: 0, message: undefined });
  await expect.poll(() => rig.gateway.count()).toBe(0);
  await expect.poll(() => pod.destroyed).toBe(true);
});
