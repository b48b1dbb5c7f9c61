/** Masks of RFC 6455, section 5.3: byte i of a payload is combined with byte i modulo 4 of the mask. */

/** Undoes (or does) the mask in place; `offset` is where in the frame's payload `bytes` begin. */
export function unmask(bytes: Buffer, mask: Buffer, offset: number): void {
  const turned = turn(mask, offset);
  const words = wordsOf(bytes);
  const [from, to] = words ? [words.byteOffset - bytes.byteOffset, words.byteLength] : [0, 0];
  if (words) xorWords(words, turn(turned, from));
  xorBytes(bytes, 0, from, turned);
  xorBytes(bytes, from + to, bytes.length, turned);
}

/** The aligned middle of `bytes`, four at a time; undefined when that is not worth the trouble. */
function wordsOf(bytes: Buffer): Uint32Array | undefined {
  if (bytes.length < 64) return undefined;
  const start = (4 - (bytes.byteOffset & 3)) & 3;
  return new Uint32Array(bytes.buffer, bytes.byteOffset + start, Math.floor((bytes.length - start) / 4));
}

/** A copy of `bytes` under the mask. */
export function masked(bytes: Uint8Array, mask: Buffer): Buffer {
  const copy = Buffer.allocUnsafe(bytes.length);
  copy.set(bytes);
  unmask(copy, mask, 0);
  return copy;
}

/** The mask as it begins `by` bytes later. */
function turn(mask: Buffer, by: number): Buffer {
  return Buffer.from([0, 1, 2, 3].map((i) => mask[(i + by) & 3] as number));
}

function xorBytes(bytes: Buffer, from: number, to: number, mask: Buffer): void {
  for (let i = from; i < to; i++) bytes[i] = (bytes[i] as number) ^ (mask[i & 3] as number);
}

/** Four bytes at a time: as long as mask and words are read in the same byte order, it does not matter which. */
function xorWords(words: Uint32Array, mask: Buffer): void {
  const word = new Uint32Array(new Uint8Array(mask).buffer)[0] as number;
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ word;
}
