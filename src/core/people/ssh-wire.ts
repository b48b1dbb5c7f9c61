/** Strings of the ssh wire format: a 32-bit length and that many bytes (RFC 4251, section 5). */

/** The strings of `blob`, which must be made of nothing else; undefined when it is not. */
export function readStrings(blob: Buffer): Buffer[] | undefined {
  const strings: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (blob.length - at < 4) return undefined;
    const length = blob.readUInt32BE(at);
    if (length > blob.length - at - 4) return undefined;
    strings.push(blob.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return strings;
}

/** The strings, one after another. */
export function writeStrings(...strings: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(
    strings.flatMap((s) => {
      const bytes = Buffer.from(s as string);
      return [uint32(bytes.length), bytes];
    }),
  );
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
