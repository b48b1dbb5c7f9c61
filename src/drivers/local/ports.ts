/** Ports on the loopback address. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { BlockSocket } from "../../api/block-socket.ts";
import { DriverError } from "../driver.ts";

const CONNECT_MS = 5000;

/** Ports that were free a moment ago; whoever binds one finds out whether it still is. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, "127.0.0.1");
      await once(server, "listening");
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === "string") throw new TypeError("a TCP server has a port");
    return address.port;
  });
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}

/** A connection to a port of this machine. Throws DriverError when nothing answers within 5 s. */
export async function connectTo(port: number): Promise<Socket> {
  const socket = new BlockSocket({ allowHalfOpen: true, noDelay: true }).connect(port, "127.0.0.1");
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(CONNECT_MS) });
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new DriverError(`nothing answers on port ${port} of the pod`, { cause });
  }
}
