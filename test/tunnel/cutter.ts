/** A TCP proxy between the ssh-proxy and the gateway that does what networks do: it cuts, goes silent, and refuses. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

interface Pair {
  readonly inner: Socket;
  readonly outer: Socket;
}

export class Cutter {
  /** Bytes moved so far, both directions together. */
  moved = 0;
  /** Connections so far. */
  accepted = 0;
  /** While true, a new connection is closed at once. */
  refusing = false;
  /** Called after each piece that moved. */
  onMoved: () => void = () => undefined;
  #silent = false;
  readonly #pairs = new Set<Pair>();
  readonly #server = createServer((inner) => this.#join(inner));
  readonly #target: number;

  constructor(target: number) {
    this.#target = target;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts all connections; both ends hear of it, or only one of them. */
  cut(who: "both" | "client" | "gateway" = "both"): void {
    for (const { inner, outer } of this.#pairs) {
      if (who !== "gateway") inner.resetAndDestroy();
      if (who !== "client") outer.resetAndDestroy();
    }
  }

  /** From now on nothing gets through the connections that are there; nobody is told. */
  silence(): void {
    for (const { inner, outer } of this.#pairs) {
      inner.pause();
      outer.pause();
    }
    this.#silent = true;
  }

  /** New connections work again; those that went silent are dead. */
  speak(): void {
    this.#silent = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(inner: Socket): void {
    this.accepted += 1;
    inner.on("error", () => inner.destroy());
    if (this.refusing) {
      inner.resetAndDestroy();
      return;
    }
    const outer = connect({ port: this.#target, host: "127.0.0.1", noDelay: true });
    const pair = { inner: inner.setNoDelay(), outer };
    this.#pairs.add(pair);
    // What happens to one of them by itself, such as that nobody listens behind us, the other one hears of.
    const broken = (): void => {
      inner.destroy();
      outer.destroy();
    };
    inner.on("error", broken);
    outer.on("error", broken);
    this.#pass(inner, outer);
    this.#pass(outer, inner);
    if (this.#silent) this.silence();
    outer.on("close", () => inner.destroyed && this.#pairs.delete(pair));
    inner.on("close", () => outer.destroyed && this.#pairs.delete(pair));
  }

  #pass(from: Socket, to: Socket): void {
    from.on("data", (data) => {
      this.moved += data.length;
      if (!to.destroyed && !to.write(data)) from.pause();
      this.onMoved();
    });
    to.on("drain", () => this.#silent || from.resume());
    from.on("end", () => to.end());
  }
}

/** Cuts at `places` (bytes moved), each time once, in turn at both ends and at the client's alone. */
export function cutAt(cutter: Cutter, places: readonly number[]): { readonly left: number } {
  const left = places.toSorted((a, b) => a - b);
  const ways = ["both", "client"] as const;
  let cuts = 0;
  cutter.onMoved = () => {
    if (left.length === 0 || cutter.moved < (left[0] as number)) return;
    while (left.length > 0 && cutter.moved >= (left[0] as number)) left.shift();
    cutter.cut(ways[cuts++ % ways.length]);
  };
  return {
    get left() {
      return left.length;
    },
  };
}
