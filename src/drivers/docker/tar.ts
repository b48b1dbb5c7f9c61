/** Tar archives as the engine takes and gives them; see POSIX pax, "ustar Interchange Format". */
export interface TarEntry {
  /** Shorter than 100 bytes; ends in "/" for a directory. */
  readonly path: string;
  readonly mode: number;
  readonly data?: Buffer | string;
}

const BLOCK = 512;
const CHECKSUM = { at: 148, length: 8 };

/** All belong to root. */
export function tarOf(entries: readonly TarEntry[]): Buffer {
  return Buffer.concat([...entries.flatMap(blocksOf), Buffer.alloc(2 * BLOCK)]);
}

function blocksOf(entry: TarEntry): Buffer[] {
  const data = Buffer.from(entry.data ?? "");
  const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK);
  return [headerOf(entry, data.length), data, padding];
}

function headerOf({ path, mode }: TarEntry, size: number): Buffer {
  if (Buffer.byteLength(path) >= 100) throw new RangeError(`${path} is too long for an archive`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number) =>
    header.write(value.toString(8).padStart(length - 1, "0"), at);
  header.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  header.write(path.endsWith("/") ? "5" : "0", 156);
  header.write("ustar\u000000", 257);
  // The sum counts its own place as blanks.
  header.fill(" ", CHECKSUM.at, CHECKSUM.at + CHECKSUM.length);
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    CHECKSUM.at,
    7,
  );
  header.writeUInt8(0, CHECKSUM.at + 6);
  return header;
}
