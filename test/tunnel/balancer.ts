/** A TCP balancer: each connection goes to one of several ports, as chosen at that moment. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

export class Balancer {
  /** Connections so far, by port. */
  readonly picked = new Map<number, number>();
  readonly #choose: () => number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer({ allowHalfOpen: true }, (inner) => this.#join(inner));

  constructor(choose: () => number) {
    this.#choose = choose;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks all connections, for both ends. */
  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(inner: Socket): void {
    const port = this.#choose();
    this.picked.set(port, (this.picked.get(port) ?? 0) + 1);
    const outer = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    for (const [one, other] of [
      [inner, outer],
      [outer, inner],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay().on("error", () => one.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        if (!one.readableEnded) other.destroy();
      });
      one.pipe(other);
    }
  }
}
