/**
 * One WebSocket connection after its handshake, as far as a tunnel needs one: streamed binary messages, short text
 * messages, pings, and closing (RFC 6455). Own code, since the tunnel lives on what it costs: general libraries join the
 * pieces of a message before they hand it on, which takes a fifth of the receiver's time.
 */
import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { BlockSocket, type Lender } from "../../api/block-socket.ts";
import { FrameError, type FrameEvents, FrameReader, OPCODES } from "./frame-reader.ts";
import { masked, unmask } from "./mask.ts";

/** Section 7.4.1: closed without a close frame. */
const ABNORMAL = 1006;
/**
 * Up to here one copy costs less than a second piece in the system call. So little never fills a socket's buffer: nobody need be
 * told when it has left.
 */
export const SHORT = 2048;
/** A payload whose length stands in the second byte of its header. */
const SHORTEST = 125;
const NO_FRAME = Buffer.alloc(0);

/** How a client masks what it sends; a server does not. */
export type Masking = "none" | "zero" | "random";

export interface LinkEvents {
  text: [string];
  /** The other end broke the WebSocket protocol; what it sends is not read any more. */
  fault: [Error];
  /** The connection is gone; the close code, 1006 when it was cut. */
  close: [number];
}

/** What the pump uses of a connection. */
export interface Link extends EventEmitter<LinkEvents>, Lender {
  /** Bytes that have not left this process. */
  readonly bufferedAmount: number;
  readonly closed: boolean;
  /** Tells one listener the next bytes of the stream, which it keeps or has done with when it returns. An event would cost more. */
  hearBytes(listener: (bytes: Buffer) => void): void;
  /** `left` is called once the bytes have left this process, or never will. They must not change before, if they are more than SHORT. */
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
  readonly #lender: Lender | undefined;
  readonly #events: FrameEvents;
  /** The frame of the last message, when it has left and may be used again. */
  #frame = NO_FRAME;
  #closed = false;
  #saidClose = false;
  #ponging = false;
  #heardClose: number | undefined;

  /** `head` is what came after the handshake. Events begin in a later turn. */
  constructor(socket: Duplex, head: Buffer, masking: Masking) {
    super();
    this.#socket = socket;
    this.#masking = masking;
    this.#events = {
      onBytes: () => undefined,
      onText: (text) => this.emit("text", text),
      onPing: (payload) => this.#pong(payload),
      onClose: (code) => this.#onCloseFrame(code),
    };
    this.#reader = new FrameReader(masking === "none", this.#events);
    if (head.length > 0) socket.unshift(head);
    socket.on("data", this.#onData);
    if (socket instanceof BlockSocket) {
      this.#lender = socket;
      socket.readBy(this.#onData);
    }
    socket.on("end", () => socket.end());
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#onClosed());
  }

  hearBytes(listener: (bytes: Buffer) => void): void {
    this.#events.onBytes = listener;
  }

  keep(position: number): void {
    this.#reader.keep();
    this.#lender?.keep(position);
  }

  release(position: number): void {
    this.#lender?.release(position);
  }

  get bufferedAmount(): number {
    return this.#socket.writableLength;
  }

  get closed(): boolean {
    return this.#closed;
  }

  sendBytes(bytes: Buffer, left?: () => void): void {
    const start = this.#masking === "none" ? 2 : 6;
    if (this.#frame.length === start + bytes.length) this.#sendAgain(bytes, start, left);
    else this.#send(OPCODES.binary, bytes, left);
  }

  /** In the frame of the last message, which was as long: its header stands. */
  #sendAgain(bytes: Buffer, start: number, left?: () => void): void {
    const frame = this.#frame;
    frame.set(bytes, start);
    this.#socket.write(frame, left);
    if (this.#socket.writableLength > 0) this.#frame = NO_FRAME;
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
    this.#frame = NO_FRAME;
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
      if (this.#socket instanceof BlockSocket) this.#socket.readBy(undefined);
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
    if (payload.length <= SHORT) this.#writeJoined(opcode, payload, left);
    else this.#writeApart(opcode, payload, left);
  }

  #writeJoined(opcode: number, payload: Buffer, left?: () => void): void {
    const frame = this.#joined(opcode, payload);
    this.#socket.write(frame, left);
    const fitsAgain = opcode === OPCODES.binary && payload.length <= SHORTEST && this.#masking !== "random";
    if (fitsAgain && this.#socket.writableLength === 0) this.#frame = frame;
  }

  /** A whole frame in memory of its own. */
  #joined(opcode: number, payload: Buffer): Buffer<ArrayBuffer> {
    const start = headerLength(payload.length, this.#masking !== "none");
    const frame = Buffer.allocUnsafe(start + payload.length);
    writeHeader(frame, opcode, payload.length, this.#masking !== "none");
    frame.set(payload, start);
    if (this.#masking === "random") unmask(frame.subarray(start), randomMask(frame, start), 0);
    return frame;
  }

  #writeApart(opcode: number, payload: Buffer, left?: () => void): void {
    const header = Buffer.allocUnsafe(headerLength(payload.length, this.#masking !== "none"));
    writeHeader(header, opcode, payload.length, this.#masking !== "none");
    const body = this.#masking === "random" ? masked(payload, randomMask(header, header.length)) : payload;
    this.#socket.cork();
    this.#socket.write(header);
    this.#socket.write(body, left);
    this.#socket.uncork();
  }
}

const extendedLength = (length: number): number => (length < 126 ? 0 : length < 65_536 ? 2 : 8);

const headerLength = (length: number, withMask: boolean): number =>
  2 + extendedLength(length) + (withMask ? 4 : 0);

/** Writes a frame's header to the start of `frame`; a mask in it is all zero. */
function writeHeader(frame: Buffer, opcode: number, length: number, withMask: boolean): void {
  const extended = extendedLength(length);
  frame[0] = 0x80 | opcode;
  frame[1] = (extended === 0 ? length : extended === 2 ? 126 : 127) | (withMask ? 0x80 : 0);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  // Half of the eight bytes are zero: no message has 4 GiB.
  if (extended === 8) frame.writeUInt32BE(0, 2);
  if (extended === 8) frame.writeUInt32BE(length, 6);
  if (withMask) frame.writeUInt32BE(0, 2 + extended);
}

/** Fills in the mask of the header that ends at `end`. */
const randomMask = (frame: Buffer, end: number): Buffer =>
  process.getBuiltinModule("node:crypto").randomFillSync(frame.subarray(end - 4, end));
