/**
 * Reads WebSocket frames (RFC 6455, section 5) from whatever pieces the network makes of them. The bytes of a binary
 * message are handed on as they come, without waiting for the rest of it: for the tunnel it is only a stretch of a stream.
 */
import { unmask } from "./mask.ts";

/** Bytes of a message; more is refused. */
export const MAX_PAYLOAD = 1024 * 1024;
/** A control line fits; nothing else comes as text. */
const MAX_TEXT = 4096;
/** Section 5.5. */
const MAX_CONTROL = 125;
/** The last frame of a binary message; a longer payload has its length elsewhere. */
const SHORT = 0x82;
const MAX_SHORT = 125;
/** Two bytes, eight of the length, four of the mask. */
const MAX_HEADER = 14;

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;
const NOTHING = Buffer.alloc(0);
const KNOWN = new Set<number>(Object.values(OPCODES));

/** The other end does not speak the protocol. */
export class FrameError extends Error {
  override readonly name = "FrameError";
}

export interface FrameEvents {
  /** The next bytes of the stream, never empty. They may be overwritten by the next, unless `keep` is called meanwhile. */
  onBytes(bytes: Buffer): void;
  onText(text: string): void;
  onPing(payload: Buffer): void;
  /** The close code; 1005 when none was given (section 7.1.5). */
  onClose(code: number): void;
}

export class FrameReader {
  readonly #masked: boolean;
  readonly #events: FrameEvents;
  /** What the second byte of a header has beside the length, and how long a short header is. */
  readonly #maskBit: number;
  readonly #shortHeader: number;
  /** The last short message; the next one that is as long takes its place. */
  #short = NOTHING;
  readonly #header = Buffer.alloc(MAX_HEADER);
  #headerLength = 0;
  #opcode: number = OPCODES.continuation;
  #final = true;
  #mask: Buffer | undefined;
  /** Bytes of the frame's payload that have been read, and that have yet to come. */
  #read = 0;
  #left = 0;
  /** What the frames of the message are; undefined between messages. */
  #message: number | undefined;
  #messageLength = 0;
  readonly #text: Buffer[] = [];
  /** The payload of a control frame, which may come between the frames of a message. */
  readonly #control: Buffer[] = [];

  /** `masked`: what a server reads has a mask, what a client reads has none. */
  constructor(masked: boolean, events: FrameEvents) {
    this.#masked = masked;
    this.#maskBit = masked ? 0x80 : 0;
    this.#shortHeader = masked ? 6 : 2;
    this.#events = events;
  }

  /** The bytes that are being told stay as they are. */
  keep(): void {
    this.#short = NOTHING;
  }

  /** Takes the next bytes off the wire, and undoes their mask in place. Throws FrameError. */
  push(chunk: Buffer): void {
    if (this.#isShort(chunk)) this.#readShort(chunk);
    else this.#readAny(chunk);
  }

  #readAny(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; )
      at += this.#left > 0 ? this.#readPayload(chunk, at) : this.#readHeader(chunk, at);
  }

  /** True for one whole message in a short frame without a mask, as a key and its echo are: most reads bring no more. */
  #isShort(chunk: Buffer): boolean {
    const length = chunk.length - this.#shortHeader;
    return (
      chunk[0] === SHORT &&
      chunk[1] === (this.#maskBit | length) &&
      length > 0 &&
      length <= MAX_SHORT &&
      (this.#maskBit === 0 || isZero(chunk, 2, 6)) &&
      this.#left === 0 &&
      this.#headerLength === 0 &&
      this.#message === undefined
    );
  }

  /** Byte by byte into memory that is there: to make a view of the chunk costs more than all else here. */
  #readShort(chunk: Buffer): void {
    const start = this.#shortHeader;
    const length = chunk.length - start;
    if (this.#short.length !== length) this.#short = Buffer.allocUnsafeSlow(length);
    const short = this.#short;
    for (let i = 0; i < length; i++) short[i] = chunk[start + i] as number;
    this.#events.onBytes(short);
  }

  /** The bytes read. */
  #readPayload(chunk: Buffer, at: number): number {
    const piece = chunk.subarray(at, at + this.#left);
    if (this.#mask) unmask(piece, this.#mask, this.#read);
    this.#read += piece.length;
    this.#left -= piece.length;
    // Copies: the memory of the first piece may hold other bytes when the last one comes.
    if (this.#opcode >= OPCODES.close) this.#control.push(Buffer.from(piece));
    else if (this.#message === OPCODES.text) this.#text.push(Buffer.from(piece));
    else this.#events.onBytes(piece);
    if (this.#left === 0) this.#endFrame();
    return piece.length;
  }

  /** The bytes read: all of a header, or what there is of it. */
  #readHeader(chunk: Buffer, at: number): number {
    // Nearly all of them come whole.
    if (this.#headerLength > 0 || chunk.length - at < MAX_HEADER) return this.#gatherHeader(chunk, at);
    return this.#beginFrame(chunk, at);
  }

  #gatherHeader(chunk: Buffer, at: number): number {
    let read = 0;
    while (at + read < chunk.length) {
      this.#header[this.#headerLength++] = chunk[at + read++] as number;
      if (this.#headerLength === 2) this.#checkStart(this.#header, 0);
      if (this.#headerLength < this.#fullHeader()) continue;
      this.#headerLength = 0;
      this.#beginFrame(this.#header, 0);
      break;
    }
    return read;
  }

  /** How long the header is that is gathered, as far as it can be told yet. */
  #fullHeader(): number {
    return this.#headerLength < 2 ? 2 : headerLength(this.#header[1] as number);
  }

  /** The first two bytes tell whether the rest is worth reading. */
  #checkStart(header: Buffer, at: number): void {
    const first = header[at] as number;
    const masked = ((header[at + 1] as number) & 0x80) !== 0;
    if (first & 0x70) throw new FrameError("a reserved bit is set");
    if (masked !== this.#masked) throw new FrameError(masked ? "a mask from a server" : "no mask");
    this.#final = (first & 0x80) !== 0;
    this.#opcode = first & 0x0f;
    if (!KNOWN.has(this.#opcode)) throw new FrameError(`opcode ${this.#opcode} is unknown`);
  }

  /** Takes the header at `at`, which is there as a whole; the bytes of it. */
  #beginFrame(header: Buffer, at: number): number {
    this.#checkStart(header, at);
    const length = readLength(header, at);
    this.#checkFrame(length);
    const end = at + headerLength(header[at + 1] as number);
    this.#read = 0;
    this.#left = length;
    // All zero is as good as none: nothing has to be done.
    this.#mask =
      this.#masked && header.readUInt32BE(end - 4) !== 0
        ? Buffer.from(header.subarray(end - 4, end))
        : undefined;
    if (length === 0) this.#endFrame();
    return end - at;
  }

  #checkFrame(length: number): void {
    if (this.#opcode >= OPCODES.close) {
      if (length > MAX_CONTROL || !this.#final)
        throw new FrameError("a control frame is too long or in pieces");
      return;
    }
    const continues = this.#opcode === OPCODES.continuation;
    if (continues !== (this.#message !== undefined)) throw new FrameError("a message is out of order");
    if (!continues) this.#message = this.#opcode;
    this.#messageLength += length;
    if (this.#messageLength > (this.#message === OPCODES.text ? MAX_TEXT : MAX_PAYLOAD))
      throw new FrameError("a message is too long");
  }

  #endFrame(): void {
    if (this.#opcode >= OPCODES.close) this.#endControl(Buffer.concat(this.#control.splice(0)));
    else if (this.#final) this.#endMessage();
  }

  #endControl(payload: Buffer): void {
    if (this.#opcode === OPCODES.ping) this.#events.onPing(payload);
    if (this.#opcode !== OPCODES.close) return;
    if (payload.length === 1) throw new FrameError("a close code is cut");
    this.#events.onClose(payload.length === 0 ? 1005 : payload.readUInt16BE(0));
  }

  #endMessage(): void {
    const isText = this.#message === OPCODES.text;
    this.#message = undefined;
    this.#messageLength = 0;
    if (isText) this.#events.onText(Buffer.concat(this.#text.splice(0)).toString());
  }
}

function isZero(bytes: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Of a header whose second byte is `lengthByte`. */
function headerLength(lengthByte: number): number {
  const length = lengthByte & 0x7f;
  const extended = length === 126 ? 2 : length === 127 ? 8 : 0;
  return 2 + extended + (lengthByte & 0x80 ? 4 : 0);
}

/** The payload's, of the frame whose header is at `at`. */
function readLength(header: Buffer, at: number): number {
  const length = (header[at + 1] as number) & 0x7f;
  if (length < 126) return length;
  if (length === 126) return header.readUInt16BE(at + 2);
  if (header.readUInt32BE(at + 2) !== 0) throw new FrameError("a message is too long");
  return header.readUInt32BE(at + 6);
}
