/** What the tests of the ssh-proxy share: a rig with a pod, and all of it gone after each test. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo, Socket, Server as TcpServer } from "node:net";
import { afterEach } from "vitest";
import { type Rig, type RigOptions, spawnProxy, startRig } from "./rig.ts";
import { startPod, type TestPod } from "./test-pod.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Calls `cleanup` after the test, the last one first. */
export const atEnd = (cleanup: () => unknown): unknown => cleanups.push(cleanup);

/** A rig whose tunnels end at a pod of our own. */
export async function given(
  serve?: (socket: Socket) => void,
  options: RigOptions = {},
): Promise<{ rig: Rig; pod: TestPod }> {
  const pod = await startPod(serve);
  const rig = await startRig({ dial: () => pod.dial(), ...options });
  cleanups.push(
    () => pod.close(),
    () => rig.close(),
  );
  return { rig, pod };
}

/** A proxy that is killed at the end of the test, if it still runs then. */
export function start(rig: Rig, options = {}): ChildProcess {
  const child = spawnProxy(rig, options);
  cleanups.push(() => child.kill("SIGKILL"));
  return child;
}

/** The port of a server that is closed after the test, with all its connections. */
export async function listen(server: Server | TcpServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}
