/** Build contexts as files of one directory, which only the server's user reads; what is in them is the users' own, and never unpacked here. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, type Headers } from "tar-stream";

const MAX_FILES = 100_000;
const ENDING = ".tar";

/** Those below `dir`, which is made when it is needed. */
export function createBuildContexts(dir: string) {
  const path = (id: string): string => join(dir, `${id}${ENDING}`);
  return {
    path,
    async write(id: string, offset: number, bytes: Uint8Array): Promise<void> {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      const file = await open(path(id), offset === 0 ? "w" : "r+", 0o600);
      try {
        await file.write(bytes, 0, bytes.byteLength, offset);
      } finally {
        await file.close();
      }
    },
    async fault(id: string, digest: string): Promise<string | undefined> {
      const found = await look(path(id));
      if (typeof found === "string") return found;
      return found.digest === digest ? undefined : `it has the SHA-256 ${found.digest}, not ${digest}`;
    },
    remove: (id: string): Promise<void> => rm(path(id), { force: true }),
    async list(): Promise<string[]> {
      const names = await readdir(dir).catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return [];
        throw error;
      });
      return names.flatMap((name) => (name.endsWith(ENDING) ? [name.slice(0, -ENDING.length)] : []));
    },
  };
}

class NoContext extends Error {}

/** Read once, from one end to the other: its digest, or what is wrong with it. */
async function look(file: string): Promise<{ readonly digest: string } | string> {
  const hash = createHash("sha256");
  const entries = extract();
  let files = 0;
  entries.on("entry", (header, content, next) => {
    const fault = ++files > MAX_FILES ? `it has more than ${MAX_FILES} files` : faultOf(header);
    if (fault !== undefined) return void entries.destroy(new NoContext(fault));
    content.on("end", next);
    content.resume();
  });
  const bytes = createReadStream(file);
  bytes.on("data", (chunk) => hash.update(chunk));
  try {
    await pipeline(bytes, entries);
  } catch (error) {
    if (error instanceof NoContext) return error.message;
    // The library's own errors have no code; those of the disk do.
    if ((error as NodeJS.ErrnoException).code !== undefined) throw error;
    return `it is no tar file: ${(error as Error).message}`;
  }
  return { digest: hash.digest("hex") };
}

const KINDS: readonly Headers["type"][] = ["file", "directory", "symlink"];

/** An entry that leads out of the context, or is nothing that a developer's directory has. */
function faultOf({ name, type }: Headers): string | undefined {
  if (name.startsWith("/") || name.split("/").includes(".."))
    return `${JSON.stringify(name)} leads out of it`;
  return KINDS.includes(type)
    ? undefined
    : `${JSON.stringify(name)} is a ${type}, not a file, directory or symbolic link`;
}
