/** The reader against frames that we write byte by byte, in whatever pieces. */
import { expect, test } from "vitest";
import { FrameError, FrameReader, MAX_PAYLOAD } from "../../../src/tunnel/websocket/frame-reader.ts";
import { masked, unmask } from "../../../src/tunnel/websocket/mask.ts";
import { randomFrom } from "../../helpers/random.ts";

const MASK = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);

interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  readonly final?: boolean;
  readonly mask?: Buffer;
}

/** RFC 6455, section 5.2. */
function write({ opcode, payload, final = true, mask }: Frame): Buffer {
  const { length } = payload;
  const extended = Buffer.alloc(length < 126 ? 0 : length < 65_536 ? 2 : 8);
  if (extended.length === 2) extended.writeUInt16BE(length);
  if (extended.length === 8) extended.writeBigUInt64BE(BigInt(length));
  const short = length < 126 ? length : extended.length === 2 ? 126 : 127;
  const start = Buffer.from([(final ? 0x80 : 0) | opcode, short | (mask ? 0x80 : 0)]);
  return Buffer.concat([start, extended, ...(mask ? [mask, masked(payload, mask)] : [payload])]);
}

/** What a reader makes of `pieces`. */
function read(pieces: readonly Buffer[], isMasked = false) {
  const seen = {
    bytes: [] as Buffer[],
    texts: [] as string[],
    pings: [] as string[],
    closes: [] as number[],
  };
  const reader = new FrameReader(isMasked, {
    onBytes: (bytes) => seen.bytes.push(Buffer.from(bytes)),
    onText: (text) => seen.texts.push(text),
    onPing: (payload) => seen.pings.push(payload.toString()),
    onClose: (code) => seen.closes.push(code),
  });
  // Copies, since the reader undoes masks in place.
  for (const piece of pieces) reader.push(Buffer.from(piece));
  return { ...seen, stream: Buffer.concat(seen.bytes).toString("latin1") };
}

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

test("frames in pieces of every size are the same stream", () => {
  const wire = Buffer.concat(
    [
      { opcode: 2, payload: bytes("hello "), final: false },
      { opcode: 9, payload: bytes("are you there") },
      { opcode: 0, payload: bytes("x".repeat(300)), final: false },
      { opcode: 0, payload: bytes("") },
      { opcode: 1, payload: bytes("ack 5") },
      { opcode: 2, payload: bytes("") },
      { opcode: 1, payload: bytes("en"), final: false },
      { opcode: 10, payload: bytes("pong") },
      { opcode: 0, payload: bytes("d 9") },
      { opcode: 8, payload: Buffer.from([0x03, 0xe8]) },
    ].map((frame) => write({ ...frame, mask: MASK })),
  );
  for (let size = 1; size <= wire.length; size++) {
    const pieces = Array.from({ length: Math.ceil(wire.length / size) }, (_, i) =>
      wire.subarray(i * size, (i + 1) * size),
    );
    expect(read(pieces, true)).toMatchObject({
      stream: `hello ${"x".repeat(300)}`,
      texts: ["ack 5", "end 9"],
      pings: ["are you there"],
      closes: [1000],
    });
  }
});

test("the bytes of a message are handed on before the rest of it is there", () => {
  const wire = write({ opcode: 2, payload: bytes("a".repeat(70_000)) });
  expect(read([wire.subarray(0, 1000)]).stream).toHaveLength(990);
});

test.each([true, false])("seeded random messages and pieces lose nothing, with masks: %s", (isMasked) => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = randomFrom(seed);
    const payloads = Array.from({ length: 20 }, () =>
      Buffer.from(Array.from({ length: Math.floor(random() * 400) }, () => Math.floor(random() * 256))),
    );
    const frames = payloads.map((payload) => {
      const mask = random() < 0.3 ? Buffer.alloc(4) : Buffer.from([1, 2, 3, 4].map((n) => (n * seed) & 255));
      return write({ opcode: 2, payload, ...(isMasked && { mask }) });
    });
    const wire = Buffer.concat(frames);
    const pieces: Buffer[] = [];
    for (let at = 0; at < wire.length; ) {
      const size = 1 + Math.floor(random() * 300);
      pieces.push(wire.subarray(at, at + size));
      at += size;
    }
    expect(read(pieces, isMasked).stream, `seed ${seed}`).toBe(Buffer.concat(payloads).toString("latin1"));
  }
});

test("a mask is undone at every alignment, from every offset", () => {
  const plain = Buffer.from(Array.from({ length: 300 }, (_, i) => i & 255));
  const covered = masked(plain, MASK);
  expect(covered.every((byte, i) => byte === ((plain[i] ?? 0) ^ (MASK[i & 3] ?? 0)))).toBe(true);
  for (let shift = 0; shift < 8; shift++)
    for (let offset = 0; offset < 8; offset++) {
      const room = Buffer.alloc(400);
      const piece = room.subarray(shift, shift + 290 - offset);
      covered.copy(piece, 0, offset, offset + piece.length);
      unmask(piece, MASK, offset);
      expect(piece.equals(plain.subarray(offset, offset + piece.length))).toBe(true);
      expect(room.subarray(0, shift).every((byte) => byte === 0)).toBe(true);
    }
});

test.each([
  ["a reserved bit", Buffer.from([0xc2, 0])],
  ["an unknown opcode", Buffer.from([0x83, 0])],
  ["a mask from a server", write({ opcode: 2, payload: bytes("x"), mask: MASK })],
  ["a continuation of nothing", write({ opcode: 0, payload: bytes("x") })],
  [
    "a message inside of a message",
    Buffer.concat([
      write({ opcode: 2, payload: bytes("x"), final: false }),
      write({ opcode: 1, payload: bytes("x") }),
    ]),
  ],
  [
    "a short message inside of a message",
    Buffer.concat([
      write({ opcode: 2, payload: bytes("x"), final: false }),
      write({ opcode: 2, payload: bytes("y".repeat(20)) }),
    ]),
  ],
  ["a mask on a short message", write({ opcode: 2, payload: bytes("x".repeat(20)), mask: Buffer.alloc(4) })],
  ["a ping in pieces", write({ opcode: 9, payload: bytes("x"), final: false })],
  ["a ping of 126 bytes", write({ opcode: 9, payload: bytes("x".repeat(126)) })],
  ["a close code of one byte", write({ opcode: 8, payload: bytes("x") })],
  ["a text of more than 4 KiB", write({ opcode: 1, payload: bytes("x".repeat(4097)) })],
  ["a message of more than 1 MiB", Buffer.from([0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1])],
  ["a length of 2^32", Buffer.from([0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0])],
])("%s is a fault", (_, wire) => {
  expect(() => read([wire])).toThrow(FrameError);
});

test("what a client sends has a mask", () => {
  for (const text of ["x", "x".repeat(20)])
    expect(() => read([write({ opcode: 2, payload: bytes(text) })], true)).toThrow(FrameError);
});

test("X-07 fragments are one message: together they may not be longer than one", () => {
  const half = Buffer.alloc(MAX_PAYLOAD / 2);
  const frames = [
    write({ opcode: 2, payload: half, final: false }),
    write({ opcode: 0, payload: half, final: false }),
  ];
  expect(read(frames).stream).toHaveLength(MAX_PAYLOAD);
  expect(() => read([...frames, write({ opcode: 0, payload: bytes("x") })])).toThrow(FrameError);
});

test("a short message takes the place of the last one that was as long, unless that one is kept", () => {
  const told: Buffer[] = [];
  const ignore = (): void => undefined;
  const reader = new FrameReader(false, {
    onBytes: (piece) => {
      told.push(piece);
      if (piece[0] === "b".charCodeAt(0)) reader.keep();
    },
    onText: ignore,
    onPing: ignore,
    onClose: ignore,
  });
  for (const letter of ["a", "b", "c"]) reader.push(write({ opcode: 2, payload: bytes(letter.repeat(20)) }));
  expect(told.map((piece) => piece.toString("latin1")[0])).toEqual(["b", "b", "c"]);
});
