/** Streams whose every byte tells its place: neither a shift nor a swap nor a repetition looks the same. */

/** The byte at a place; `salt` tells one stream from another. */
export const byteAt = (place: number, salt: number): number => (place * 31 + (place >> 8) * 7 + salt) & 255;

/** So many bytes from a place on. */
export function numbered(from: number, length: number, salt: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = byteAt(from + i, salt);
  return bytes;
}

/** Reads a numbered stream. */
export class NumberedReader {
  readonly #salt: number;
  count = 0;
  /** The first byte that was not the one of its place. */
  wrong: string | undefined;

  constructor(salt: number, from = 0) {
    this.#salt = salt;
    this.count = from;
  }

  take(data: Buffer): void {
    for (const byte of data) {
      if (byte !== byteAt(this.count, this.#salt)) this.wrong ??= `byte ${this.count} is not of its place`;
      this.count += 1;
    }
  }

  /** Throws when a byte was wrong. Asked after each step of a fuzzer, where an `expect` takes longer than the step. */
  check(): void {
    if (this.wrong !== undefined) throw new Error(this.wrong);
  }
}
