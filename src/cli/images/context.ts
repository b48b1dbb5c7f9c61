/** What a build is sent: a directory as a tar file that is the same for the same contents, wherever and whenever it is made. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, type Stats } from "node:fs";
import { lstat, mkdtemp, readdir, readFile, readlink, realpath, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import ignore from "@balena/dockerignore";
import { type Pack, pack } from "tar-stream";
import { UsageError } from "../errors.ts";
import { roundSize } from "../output/size.ts";

const MAX_FILES = 100_000;
/** Not of 1970: zip files, and so Python's wheels, know no time before 1980. */
const MTIME = new Date("2000-01-01T00:00:00Z");
/** A Dockerfile from elsewhere goes by this name. */
const OUTSIDE = ".gpu-dev.Dockerfile";

export interface PackedContext {
  readonly file: string;
  readonly bytes: number;
  /** SHA-256 in hex. */
  readonly digest: string;
  /** Within the context. */
  readonly dockerfile: string;
  remove(): Promise<void>;
}

/** Packs `dir`, by default where the Dockerfile is, into a file of its own. Throws UsageError for what is not there, and for more than `maxBytes`. */
export async function packContext(
  dockerfile: string,
  dir: string | undefined,
  maxBytes: number,
): Promise<PackedContext> {
  const root = resolve(dir ?? dirname(dockerfile));
  const [file, own] = await Promise.all([
    lookAt(dockerfile, "--dockerfile"),
    lookAt(root, "--build-context"),
  ]);
  if (!file.isFile()) throw new UsageError(`${dockerfile} is not a file`);
  if (!own.isDirectory()) throw new UsageError(`${root} is not a directory`);
  // What a link leads to, by its own name: a server reads no link.
  const inside = relative(await realpath(root), await realpath(dockerfile))
    .split(sep)
    .join("/");
  const name = inside.startsWith("../") || inside === "" ? OUTSIDE : inside;
  const workshop = await mkdtemp(join(tmpdir(), "gpu-dev-build-"));
  const remove = () => rm(workshop, { recursive: true, force: true });
  try {
    const packed = join(workshop, "context.tar");
    const measured = await write(packed, maxBytes, async (tar) => {
      await addTree(tar, root, await readIgnore(root, dockerfile), name);
      if (name === OUTSIDE) await addFile(tar, OUTSIDE, dockerfile, file);
    });
    return { file: packed, ...measured, dockerfile: name, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function lookAt(path: string, option: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "it is not there" : code;
    throw new UsageError(`${option} ${path} cannot be read: ${why}`, "Paths are from where you type.", cause);
  }
}

async function write(
  file: string,
  maxBytes: number,
  fill: (tar: Pack) => Promise<void>,
): Promise<{ bytes: number; digest: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      hash.update(chunk);
      done(bytes > maxBytes ? tooLarge(maxBytes) : null, chunk);
    },
  });
  const tar = pack();
  const written = pipeline(tar, measure, createWriteStream(file, { mode: 0o600 }));
  const filled = fill(tar).then(
    () => tar.finalize(),
    (error: Error) => tar.destroy(error),
  );
  await Promise.all([written, filled]);
  return { bytes, digest: hash.digest("hex") };
}

const tooLarge = (maxBytes: number): UsageError =>
  new UsageError(
    `What the build would be sent is more than ${roundSize(maxBytes)}, the most that the server takes`,
    "Name what it does not need in a file .dockerignore, or give a smaller directory with --build-context.",
  );

interface LeftOut {
  matches(path: string): boolean;
  /** Within a directory that is left out, an exception may bring something back. */
  readonly hasExceptions: boolean;
}

/** The file of the Dockerfile's own name goes before the directory's, as docker has it. */
async function readIgnore(root: string, dockerfile: string): Promise<LeftOut> {
  const own = await readIfThere(`${dockerfile}.dockerignore`);
  const text = own ?? (await readIfThere(join(root, ".dockerignore"))) ?? "";
  const rules = ignore.default().add(text.replaceAll("\r\n", "\n"));
  return { matches: (path) => rules.ignores(path), hasExceptions: /^\s*!/m.test(text) };
}

const readIfThere = (path: string): Promise<string | undefined> =>
  readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });

/** In the order of the names. A symbolic link stays one: nothing outside of the directory is ever read. */
async function addTree(
  tar: Pack,
  root: string,
  { matches, hasExceptions }: LeftOut,
  dockerfile: string,
): Promise<void> {
  let files = 0;
  const visit = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(root, below))).sort()) {
      const path = below === "" ? name : `${below}/${name}`;
      const found = await lstat(join(root, path));
      const isLeftOut = path !== dockerfile && matches(path);
      if (isLeftOut && !(found.isDirectory() && hasExceptions)) continue;
      if (++files > MAX_FILES)
        throw new UsageError(
          `${root} has more than ${MAX_FILES} files`,
          "Name what the build does not need in a file .dockerignore.",
        );
      if (!isLeftOut) await add(tar, root, path, found);
      if (found.isDirectory()) await visit(path);
    }
  };
  await visit("");
}

/** Sockets and the like are no part of a build. */
async function add(tar: Pack, root: string, path: string, found: Stats): Promise<void> {
  const common = { mtime: MTIME, uid: 0, gid: 0 };
  if (found.isFile()) await addFile(tar, path, join(root, path), found);
  else if (found.isDirectory()) tar.entry({ ...common, name: path, type: "directory", mode: 0o755 });
  else if (found.isSymbolicLink())
    tar.entry({
      ...common,
      name: path,
      type: "symlink",
      mode: 0o777,
      linkname: await readlink(join(root, path)),
    });
}

/** A file that changes while it is read is an error, not a tar file that nobody can read. */
async function addFile(tar: Pack, name: string, path: string, { size, mode }: Stats): Promise<void> {
  const bits = mode & 0o100 ? 0o755 : 0o644;
  const entry = tar.entry({ name, size, mode: bits, mtime: MTIME, uid: 0, gid: 0 });
  try {
    await pipeline(createReadStream(path, size === 0 ? { end: 0 } : { end: size - 1 }), entry);
  } catch (cause) {
    throw new UsageError(`${basename(path)} cannot be sent: ${(cause as Error).message}`, undefined, cause);
  }
}
