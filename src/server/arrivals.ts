/** Whether a request that is taken for late arrives after all. */
import type { IncomingMessage, Server } from "node:http";
import type { Socket } from "node:net";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";

export class Arrivals {
  /** Of each connection. */
  readonly #newest = new WeakMap<Socket, IncomingMessage>();

  constructor(server: Server) {
    const note = (request: IncomingMessage) => this.#newest.set(request.socket, request);
    server.on("request", note).on("checkExpectation", note);
  }

  /**
   * Node looks for late requests before it reads from sockets: in a process that stood still for a while (no processor, a stopped machine)
   * what came in time is not read yet. It is read first; what it is only a part of has `patienceMs` more.
   */
  async isWhole(socket: Socket, patienceMs: number): Promise<boolean> {
    const before = this.#newest.get(socket);
    const { bytesRead } = socket;
    // Of a request whose headers were not all there Node has told nothing yet.
    const late = before?.complete === false ? before : undefined;
    const isWhole = (): boolean => {
      const request = late ?? this.#newest.get(socket);
      return request?.complete === true && (request === late || request !== before);
    };
    await nextTurn();
    if (isWhole() || socket.bytesRead === bytesRead) return isWhole();
    await pause(patienceMs, undefined, { ref: false });
    return isWhole();
  }
}
