/** A gateway that keeps to the protocol only where it likes to, on a real port: what it answers is bytes. */
import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import { NumberedReader } from "./numbered.ts";
import { FrameReader, OPCODE } from "./raw-frames.ts";
import { listen } from "./scene.ts";

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** One connection of a client, once its request is there. */
export class Visit {
  readonly socket: Socket;
  readonly headers: ReadonlyMap<string, string>;
  /** The client's bytes on this connection, from the place that it was told. */
  up: NumberedReader | undefined;
  readonly lines: string[] = [];
  readonly pongs: string[] = [];
  /** Place in the pod's stream of what is sent next: what the client says that it has. */
  place: number;
  readonly #frames = new FrameReader();

  constructor(socket: Socket, headers: ReadonlyMap<string, string>) {
    this.socket = socket;
    this.headers = headers;
    this.place = Number(headers.get("gpu-dev-received") ?? 0);
    socket.on("data", (data: Buffer) => this.#take(data));
  }

  /** The answer that opens a tunnel, changed as a test likes. */
  accept(salt: number, received: number, change: Record<string, string | undefined> = {}): string {
    this.up = new NumberedReader(salt, received);
    const key = this.headers.get("sec-websocket-key") ?? "";
    const answer: Record<string, string | undefined> = {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-accept": createHash("sha1")
        .update(key + GUID)
        .digest("base64"),
      "sec-websocket-protocol": "gpu-dev.tunnel.v1",
      "gpu-dev-session": this.headers.get("gpu-dev-session") ?? `gw.${"a".repeat(32)}`,
      "gpu-dev-received": String(received),
      "gpu-dev-window": String(4 * 1024 * 1024),
      ...change,
    };
    const lines = Object.entries(answer).flatMap(([name, value]) =>
      value === undefined ? [] : `${name}: ${value}`,
    );
    return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("\r\n")}\r\n\r\n`;
  }

  write(data: Buffer | string): void {
    if (!this.socket.destroyed) this.socket.write(data);
  }

  #take(data: Buffer): void {
    for (const { opcode, payload } of this.#frames.read(data)) {
      if (opcode === OPCODE.binary) this.up?.take(payload);
      if (opcode === OPCODE.pong) this.pongs.push(payload.toString());
      if (opcode === OPCODE.text) this.lines.push(payload.toString());
    }
  }
}

/** Listens until the end of the test; `visit` gets each connection whose request is whole. The URL. */
export async function startHostileGateway(visit: (visit: Visit) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    let head = Buffer.alloc(0);
    const onData = (data: Buffer): void => {
      head = Buffer.concat([head, data]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      socket.off("data", onData);
      const [, ...lines] = head.subarray(0, end).toString().split("\r\n");
      const headers = lines.map((line) => line.split(": ", 2) as [string, string]);
      visit(new Visit(socket, new Map(headers.map(([name, value]) => [name.toLowerCase(), value]))));
    };
    socket.on("data", onData);
  });
  return `http://127.0.0.1:${await listen(server)}`;
}
