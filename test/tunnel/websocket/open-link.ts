/** Our end of a WebSocket, opened by a real handshake with any server. */
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { newHandshake } from "../../../src/tunnel/websocket/handshake.ts";
import { type Masking, SocketLink } from "../../../src/tunnel/websocket/link.ts";

export interface OpenLink {
  readonly link: SocketLink;
  readonly socket: Socket;
}

/** Rejects when the server does not answer as it should. */
export async function openLink(port: number, masking: Masking, protocol = "test.v1"): Promise<OpenLink> {
  const handshake = newHandshake(protocol);
  const asked = request({ port, host: "127.0.0.1", headers: handshake.headers, agent: false });
  asked.end();
  const opened = Promise.withResolvers<OpenLink>();
  // In the same turn, so that no byte is missed.
  asked.once("upgrade", (response, socket: Socket, head) => {
    if (handshake.isAnsweredBy(response.headers))
      opened.resolve({ link: new SocketLink(socket, head, masking), socket });
    else opened.reject(new Error(`not our handshake: ${JSON.stringify(response.headers)}`));
  });
  const failed = once(asked, "response").then(([response]) => {
    throw new Error(`answered ${response.statusCode}`);
  });
  return Promise.race([opened.promise, failed]);
}
