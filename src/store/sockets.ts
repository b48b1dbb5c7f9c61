/** Connections to a PostgreSQL that may have fallen silent: it answers no goodbye, and pg waits for one without bound. */
import { Socket } from "node:net";

const GOODBYE_MS = 500;

/** What is open to one database. */
export class Sockets {
  readonly #open = new Set<Socket>();

  /** For the option `stream` of pg. */
  readonly create = (): Socket => {
    const socket = new Socket();
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    return socket;
  };

  /** Waits for `goodbye`; what is open after 500 ms is cut, which ends it. */
  async closed(goodbye: Promise<unknown>): Promise<void> {
    const late = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, GOODBYE_MS);
    try {
      await goodbye;
    } finally {
      clearTimeout(late);
    }
  }
}
