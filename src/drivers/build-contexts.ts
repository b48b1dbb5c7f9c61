/** Build contexts as files of one directory, which only the server's user reads; what is in them is the users' own, and never unpacked here. */
import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract, type Headers } from "tar-stream";

const MAX_FILES = 100_000;

/** Those below `dir`, which is made when it is needed. */
export function createBuildContexts(dir: string) {
  const path = (id: string): string => join(dir, `${id}.tar`);
  /** While it is still coming. */
  const part = (id: string): string => join(dir, `${id}.part`);
  return {
    path,
    async write(id: string, offset: number, bytes: Uint8Array): Promise<boolean> {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      // A first part that comes again, and late, takes nothing away.
      const flags = constants.O_WRONLY | (offset === 0 ? constants.O_CREAT : 0);
      const file = await open(part(id), flags, 0o600).catch(unlessGone);
      if (!file) return false;
      try {
        await file.write(bytes, 0, bytes.byteLength, offset);
      } finally {
        await file.close();
      }
      return true;
    },
    async accept(id: string, digest: string): Promise<string | undefined> {
      const found = await look(part(id));
      if (typeof found === "string") return found;
      if (found.digest !== digest) return `it has the SHA-256 ${found.digest}, not ${digest}`;
      await rename(part(id), path(id));
      return undefined;
    },
    async remove(id: string): Promise<void> {
      for (const file of [part(id), path(id)]) await rm(file, { force: true });
    },
    async list(): Promise<string[]> {
      const names = (await readdir(dir).catch(unlessGone)) ?? [];
      const ids = names.flatMap((name) => /^(.+)\.(?:tar|part)$/.exec(name)?.[1] ?? []);
      return [...new Set(ids)];
    },
  };
}

function unlessGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}

class NoContext extends Error {}

/** Read once, from one end to the other: its digest, or what is wrong with it. */
async function look(file: string): Promise<{ readonly digest: string } | string> {
  const hash = createHash("sha256");
  const entries = extract();
  const there = new Map<string, Headers["type"]>();
  entries.on("entry", (header, content, next) => {
    const fault = there.size >= MAX_FILES ? `it has more than ${MAX_FILES} files` : faultOf(header, there);
    there.set(placeOf(header), header.type);
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
  return beneathNone(there) ?? { digest: hash.digest("hex") };
}

const placeOf = ({ name }: Headers): string => posix.normalize(`./${name}`).replace(/\/$/, "");

/** What is written through a link is elsewhere than it says. */
function beneathNone(there: ReadonlyMap<string, Headers["type"]>): string | undefined {
  for (const path of there.keys())
    for (let above = posix.dirname(path); above !== "."; above = posix.dirname(above))
      if ((there.get(above) ?? "directory") !== "directory")
        return `${JSON.stringify(path)} is beneath what is no directory`;
  return undefined;
}

const KINDS: readonly Headers["type"][] = ["file", "directory", "symlink"];

/** An entry that leads out of the context, or is nothing that a developer's directory has. */
function faultOf(header: Headers, there: ReadonlyMap<string, Headers["type"]>): string | undefined {
  const { name, type, linkname } = header;
  const quoted = JSON.stringify(name);
  if (name.startsWith("/") || name.split("/").includes("..")) return `${quoted} leads out of it`;
  if (!KINDS.includes(type)) return `${quoted} is a ${type}, not a file, directory or symbolic link`;
  if (type === "symlink" && !linkname) return `${quoted} is a link to nothing`;
  const before = there.get(placeOf(header));
  return before === undefined || (before === "directory" && type === "directory")
    ? undefined
    : `${quoted} is in it twice`;
}
