/** A client that keeps to the protocol only where it likes to; what it does is bytes on a connection in memory. */
import { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Gateway } from "../../src/tunnel/gateway.ts";
import { connection, type MemorySocket } from "./memory-socket.ts";
import { NumberedReader } from "./numbered.ts";
import { FrameReader, OPCODE } from "./raw-frames.ts";

/** The bytes of clients, and those of pods. */
export const SALT = { up: 1, down: 2 } as const;

/** One connection to the gateway. */
export class HostileClient {
  readonly socket: MemorySocket;
  /** Undefined until the gateway answered; then the status. */
  status: number | undefined;
  readonly headers = new Map<string, string>();
  /** Place in our stream of what is sent next. */
  place = 0;
  /** What came of the pod's stream, from the place that was asked for. */
  readonly down: NumberedReader;
  /** Control lines that came. */
  readonly lines: string[] = [];
  closed = false;
  #head: Buffer = Buffer.alloc(0);
  readonly #frames = new FrameReader();

  constructor(gateway: Gateway, target: { url: string; headers: Record<string, string> }, received: number) {
    const [near, far] = connection();
    this.socket = near;
    this.down = new NumberedReader(SALT.down, received);
    near.on("data", (data: Buffer) => this.#take(data));
    near.on("error", () => undefined);
    near.on("close", () => {
      this.closed = true;
    });
    const request = new IncomingMessage(far as unknown as Socket);
    Object.assign(request, { method: "GET", ...target });
    gateway.handleUpgrade(request, far, Buffer.alloc(0));
  }

  get isOpen(): boolean {
    return this.status === 101 && !this.closed;
  }

  write(data: Buffer): void {
    if (!this.socket.destroyed && !this.socket.writableEnded) this.socket.write(data);
  }

  #take(data: Buffer): void {
    if (this.status === undefined) this.#takeHead(data);
    else this.#takeFrames(data);
  }

  #takeHead(data: Buffer): void {
    this.#head = Buffer.concat([this.#head, data]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return;
    const [first = "", ...lines] = this.#head.subarray(0, end).toString().split("\r\n");
    this.status = Number(first.split(" ")[1]);
    for (const line of lines) {
      const [name = "", value = ""] = line.split(": ", 2);
      this.headers.set(name.toLowerCase(), value);
    }
    this.place = Number(this.headers.get("gpu-dev-received") ?? 0);
    if (this.status === 101) this.#takeFrames(this.#head.subarray(end + 4));
  }

  #takeFrames(data: Buffer): void {
    for (const { opcode, fin, payload } of this.#frames.read(data)) {
      if (!fin) throw new Error("the gateway sent a fragment");
      if (opcode === OPCODE.binary) this.down.take(payload);
      if (opcode === OPCODE.text) this.lines.push(payload.toString());
    }
  }
}
