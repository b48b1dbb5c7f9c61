/** A connection made of two lists: what it loses, delivers late, or never tells is up to the test. */
import { EventEmitter } from "node:events";
import type { Wire } from "../../src/tunnel/pipe.ts";
import type { Link } from "../../src/tunnel/websocket/link.ts";

interface Message {
  readonly data: Buffer;
  readonly isBinary: boolean;
  readonly left: (() => void) | undefined;
}

/** One end, as far as the pump uses a WebSocket. */
class End extends EventEmitter {
  readonly socket = { bytesRead: 0 };
  /** On the way to the other end. */
  readonly underway: Message[] = [];
  isOpen = true;
  onBytes: ((bytes: Buffer) => void) | undefined;

  /** What is delivered is a copy each time. */
  keep(): void {
    // Nothing is overwritten here.
  }

  release(): void {
    // As above.
  }

  hearBytes(listener: (bytes: Buffer) => void): void {
    this.onBytes = listener;
  }

  get bufferedAmount(): number {
    return this.underway.reduce((sum, { data }) => sum + data.length, 0);
  }

  sendBytes(bytes: Buffer, left?: () => void): void {
    // A copy: what the pump does with its buffers later must not change what is on the wire.
    if (this.isOpen) this.underway.push({ data: Buffer.from(bytes), isBinary: true, left });
  }

  sendText(text: string, left?: () => void): void {
    if (this.isOpen) this.underway.push({ data: Buffer.from(text), isBinary: false, left });
  }

  ping(): void {
    this.sendText("");
  }

  terminate(): void {
    this.isOpen = false;
  }
}

export class FakeLink {
  readonly client = new End();
  readonly gateway = new End();

  /** Delivers the next message of `from`, if there is one; an end that is closed hears nothing. */
  deliver(from: "client" | "gateway"): boolean {
    const message = this[from].underway.shift();
    if (!message) return false;
    message.left?.();
    const to = this[from === "client" ? "gateway" : "client"];
    to.socket.bytesRead += message.data.length + 2;
    if (!to.isOpen || message.data.length === 0) return true;
    if (message.isBinary) to.onBytes?.(message.data);
    else to.emit("text", message.data.toString());
    return true;
  }

  /** One end learns that the connection is gone. The other may never. */
  cut(at: "client" | "gateway"): void {
    this[at].terminate();
    this[at].emit("close", 1006);
  }

  wire(at: "client" | "gateway", window: number): Wire {
    const end = this[at];
    return { ws: end as unknown as Link, socket: end.socket, window };
  }
}
