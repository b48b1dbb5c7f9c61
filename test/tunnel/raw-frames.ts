/** WebSocket frames byte by byte (RFC 6455, section 5.2), right ones and wrong ones. */

export const OPCODE = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  readonly fin?: boolean;
  readonly masked?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  /** What the header says, whatever comes. */
  readonly length?: number;
}

const MASK = Buffer.from([0x11, 0x22, 0x33, 0x44]);

/** One frame. */
export function frame(opcode: number, payload: Buffer, options: FrameOptions = {}): Buffer {
  const { fin = true, masked = true, reserved = 0, length = payload.length } = options;
  const first = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  const bit = masked ? 0x80 : 0;
  const head =
    length < 126
      ? Buffer.from([first, bit | length])
      : length < 65_536
        ? Buffer.from([first, bit | 126, length >> 8, length & 255])
        : Buffer.concat([Buffer.from([first, bit | 127]), eightBytes(length)]);
  if (!masked) return Buffer.concat([head, payload]);
  const body = payload.map((byte, i) => byte ^ (MASK[i & 3] as number));
  return Buffer.concat([head, MASK, body]);
}

function eightBytes(length: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(length));
  return bytes;
}

/** A message cut into frames of at most `size`. */
export function fragments(opcode: number, payload: Buffer, size: number, masked = true): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < payload.length; at += size) {
    const fin = at + size >= payload.length;
    frames.push(frame(at === 0 ? opcode : OPCODE.more, payload.subarray(at, at + size), { fin, masked }));
  }
  return Buffer.concat(frames);
}

export interface Frame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

/** Takes bytes as they come and gives the whole frames in them, masked or not. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  read(data: Buffer): Frame[] {
    this.#rest = Buffer.concat([this.#rest, data]);
    const frames: Frame[] = [];
    for (let next = this.#next(); next; next = this.#next()) frames.push(next);
    return frames;
  }

  #next(): Frame | undefined {
    const rest = this.#rest;
    if (rest.length < 2) return undefined;
    const [first, second] = [rest.readUInt8(0), rest.readUInt8(1)];
    const wide = { 126: 2, 127: 8 }[second & 127] ?? 0;
    const masked = second > 127;
    const start = 2 + wide + (masked ? 4 : 0);
    if (rest.length < start) return undefined;
    const length =
      wide === 0 ? second & 127 : wide === 2 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2));
    if (rest.length < start + length) return undefined;
    const mask = masked ? rest.subarray(start - 4, start) : Buffer.alloc(4);
    const payload = Buffer.from(rest.subarray(start, start + length)).map(
      (byte, i) => byte ^ (mask[i & 3] as number),
    );
    this.#rest = rest.subarray(start + length);
    return { opcode: first & 15, fin: first > 127, payload: Buffer.from(payload) };
  }
}
