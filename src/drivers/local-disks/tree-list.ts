/**
 * The integrity list of a tree: one line of JSON to a file, in the order of walk(), [name, kind, mode, user, group, modified, what],
 * where *what* is size and SHA-256 of a file, the target of a link, the first name of a file that has several.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readlinkSync, readSync } from "node:fs";
import { textOf } from "./names.ts";
import { allocated, type Visit, walk } from "./walk.ts";

const BUFFER = Buffer.allocUnsafe(1 << 20);
/** A pipe that took the place of a file is not waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** The lines of the tree below `root`; `read` is awaited with what was dealt with, in bytes of the medium. */
export async function* linesOf(root: string, read: (bytes: number) => Promise<void>): AsyncGenerator<string> {
  for (const visit of walk(root)) {
    const what = await contentOf(visit, read);
    const { mode, uid, gid, mtimeMs } = visit.stats;
    // To the second: not every file system keeps more.
    const about = [kindOf(visit.stats), mode & 0o7777, uid, gid, Math.floor(mtimeMs / 1000)];
    yield JSON.stringify([textOf(visit.name), ...about, what]);
  }
}

async function contentOf(visit: Visit, read: (bytes: number) => Promise<void>): Promise<unknown> {
  const { stats, path, same } = visit;
  if (same !== undefined) return { same: textOf(same) };
  await read(Math.max(0, allocated(stats) - (stats.isFile() ? stats.size : 0)));
  if (stats.isFile()) return { size: stats.size, sha256: await sha256Of(path, read) };
  if (stats.isSymbolicLink()) return { to: textOf(readlinkSync(path, { encoding: "latin1" })) };
  return stats.isCharacterDevice() || stats.isBlockDevice() ? { device: stats.rdev } : null;
}

async function sha256Of(path: Buffer, read: (bytes: number) => Promise<void>): Promise<string> {
  const hash = createHash("sha256");
  const file = openSync(path, READ);
  try {
    for (;;) {
      const bytes = readSync(file, BUFFER);
      if (bytes === 0) return hash.digest("base64");
      hash.update(BUFFER.subarray(0, bytes));
      await read(bytes);
    }
  } finally {
    closeSync(file);
  }
}

/** As contents.ts and the list tell it. */
export function kindOf(stats: Visit["stats"]): "file" | "directory" | "link" | "other" {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  return stats.isSymbolicLink() ? "link" : "other";
}

/** Two trees, or a tree and its list, are not the same. */
export class Difference extends Error {
  override readonly name = "Difference";
}

/** The lines of two lists as long as they are equal; throws Difference with the name of the first file that is not. */
export async function* agreed(
  expected: AsyncIterable<string>,
  found: AsyncIterator<string>,
): AsyncGenerator<string> {
  for await (const line of expected) {
    const next = await found.next();
    if (next.done || next.value !== line)
      throw new Difference(nameIn(line, next.done ? undefined : next.value));
    yield line;
  }
  const more = await found.next();
  if (!more.done) throw new Difference(nameIn(undefined, more.value));
}

/** Of the file that comes first; a list that is damaged may have none. */
function nameIn(...lines: (string | undefined)[]): string {
  const names = lines.flatMap((line) => (line === undefined ? [] : [NAME.exec(line)?.[1] ?? "its list"]));
  return names.sort()[0] ?? "";
}

const NAME = /^\[("(?:[^"\\]|\\.)*")/;
