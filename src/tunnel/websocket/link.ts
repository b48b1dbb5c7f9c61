/**
 * One WebSocket connection after its handshake, as far as a tunnel needs one: streamed binary messages, short text
 * messages, pings, and closing (RFC 6455). Own code, since the tunnel lives on what it costs: general libraries join the
 * pieces of a message before they hand it on, which takes a fifth of the receiver's time.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { FrameError, FrameReader, OPCODES } from "./frame-reader.ts";
import { masked } from "./mask.ts";

/** Section 7.4.1: closed without a close frame. */
const ABNORMAL = 1006;
/** Up to here one copy costs less than a second piece in the system call. */
const SMALL = 2048;

/** How a client masks what it sends; a server does not. */
export type Masking = "none" | "zero" | "random";

export interface LinkEvents {
  /** The next bytes of the stream. */
  bytes: [Buffer];
  text: [string];
  /** The other end broke the WebSocket protocol; what it sends is not read any more. */
  fault: [Error];
  /** The connection is gone; the close code, 1006 when it was cut. */
  close: [number];
}

/** What the pump uses of a connection. */
export interface Link extends EventEmitter<LinkEvents> {
  /** Bytes that have not left this process. */
  readonly bufferedAmount: number;
  readonly closed: boolean;
  /** `left` is called once the bytes have left this process, or never will. They must not change before. */
  sendBytes(bytes: Buffer, left?: () => void): void;
  sendText(text: string, left?: () => void): void;
  ping(): void;
  /** Says `code` and closes once the other end has answered. */
  close(code: number): void;
  /** Closes without waiting for anybody. */
  terminate(): void;
}

export class SocketLink extends EventEmitter<LinkEvents> implements Link {
  readonly #socket: Duplex;
  readonly #masking: Masking;
  readonly #reader: FrameReader;
  #closed = false;
  #saidClose = false;
  #ponging = false;
  #heardClose: number | undefined;

  /** `head` is what came after the handshake. Events begin in a later turn. */
  constructor(socket: Duplex, head: Buffer, masking: Masking) {
    super();
    this.#socket = socket;
    this.#masking = masking;
    this.#reader = new FrameReader(masking === "none", {
      onBytes: (bytes) => this.emit("bytes", bytes),
      onText: (text) => this.emit("text", text),
      onPing: (payload) => this.#pong(payload),
      onClose: (code) => this.#onCloseFrame(code),
    });
    if (head.length > 0) socket.unshift(head);
    socket.on("data", this.#onData);
    socket.on("end", () => socket.end());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#onClosed());
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  get closed(): boolean {
    return this.#closed;
  }

  sendBytes(bytes: Buffer, left?: () => void): void {
    this.#send(OPCODES.binary, bytes, left);
  }

  sendText(text: string, left?: () => void): void {
    this.#send(OPCODES.text, Buffer.from(text), left);
  }

  ping(): void {
    this.#send(OPCODES.ping, Buffer.alloc(0));
  }

  close(code: number): void {
    if (this.#saidClose) return;
    const payload = Buffer.alloc(2);
    payload.writeUInt16BE(code);
    this.#send(OPCODES.close, payload);
    this.#saidClose = true;
    if (this.#heardClose !== undefined) this.#socket.end();
  }

  terminate(): void {
    this.#socket.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#reader.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      // What comes after is unreadable; it is taken off the wire, so that its end is seen.
      this.#socket.off("data", this.#onData).resume();
      this.emit("fault", error);
    }
  };

  /** One at a time: of many pings the latest may be answered alone (section 5.5.3), and who reads no answers gets no heap of them. */
  #pong(payload: Buffer): void {
    if (this.#ponging) return;
    this.#ponging = true;
    this.#send(OPCODES.pong, payload, () => {
      this.#ponging = false;
    });
  }

  #onCloseFrame(code: number): void {
    if (this.#heardClose !== undefined) return;
    this.#heardClose = code;
    if (this.#saidClose) this.#socket.end();
    else this.close(code === 1005 ? 1000 : code);
  }

  #onClosed(): void {
    this.#closed = true;
    this.emit("close", this.#heardClose ?? ABNORMAL);
  }

  #send(opcode: number, payload: Buffer, left?: () => void): void {
    if (this.#saidClose || this.#socket.destroyed) {
      if (left) process.nextTick(left);
      return;
    }
    const [header, body] = this.#frame(opcode, payload);
    if (payload.length <= SMALL) {
      this.#socket.write(Buffer.concat([header, body]), left);
      return;
    }
    this.#socket.cork();
    this.#socket.write(header);
    this.#socket.write(body, left);
    this.#socket.uncork();
  }

  #frame(opcode: number, payload: Buffer): [header: Buffer, body: Buffer] {
    if (this.#masking !== "random")
      return [headerOf(opcode, payload.length, this.#masking === "zero"), payload];
    const header = headerOf(opcode, payload.length, true);
    const mask = process.getBuiltinModule("node:crypto").randomFillSync(header.subarray(-4));
    return [header, masked(payload, mask)];
  }
}

/** A frame's header; a mask in it is all zero. */
function headerOf(opcode: number, length: number, withMask: boolean): Buffer {
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const header = Buffer.alloc(2 + extended + (withMask ? 4 : 0));
  header[0] = 0x80 | opcode;
  header[1] = (extended === 0 ? length : extended === 2 ? 126 : 127) | (withMask ? 0x80 : 0);
  if (extended === 2) header.writeUInt16BE(length, 2);
  if (extended === 8) header.writeUInt32BE(length, 6);
  return header;
}
