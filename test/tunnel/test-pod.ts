/** A pod's port without ssh, to see the very bytes: a TCP server whose connections the test drives. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { dialPort } from "./sshd.ts";

export interface TestPod {
  readonly port: number;
  /** The pod's ends of the connections so far. */
  readonly accepted: Socket[];
  dial(): Promise<Socket>;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1; `serve` gets each connection, which stays half-open when the client's side ends. */
export async function startPod(serve: (socket: Socket) => void = () => undefined): Promise<TestPod> {
  const accepted: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    port,
    accepted,
    dial: () => dialPort(port),
    async close() {
      for (const socket of accepted) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
