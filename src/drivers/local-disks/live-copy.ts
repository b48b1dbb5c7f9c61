/**
 * Copying a tree that its user is writing to, in the worker. He may put a link where a directory was a moment ago, and the worker may be
 * root: nothing is reached by more than one name, from the open directory that it is in (but where there is no /proc, and so one trust
 * domain). Sockets, pipes and extended attributes are left out.
 */
import * as fs from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { bytesOf, latin1Of } from "./names.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
const DIRECTORY = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
/** A pipe that took the place of a file is not waited for. */
const FILE = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;
const TRIES = 3;
/** Kernels before 6.13 note changes no finer than this: one that is as young may have had others since. */
const SETTLED_MS = 20;
const PAUSE_MS = 50;
const BUFFER = Buffer.allocUnsafe(1 << 20);
const ZEROS = Buffer.alloc(BUFFER.length);

/** Awaited after each piece with its bytes; the work stops when it throws. */
type Read = (bytes: number) => Promise<void>;

/** Fills the empty directory `to` with what is in `from`. How many files kept changing: they are as at the last try. */
export async function copyLive(from: string, to: string, read: Read): Promise<number> {
  const copy = new LiveCopy(read);
  const top = fs.openSync(from, DIRECTORY);
  await copy.directory(top, latin1Of(from), latin1Of(to));
  fs.closeSync(top);
  return copy.changing;
}

class LiveCopy {
  changing = 0;
  readonly #read: Read;
  /** Of files with several names: the first one's copy, by the file. */
  readonly #copies = new Map<string, Buffer>();

  constructor(read: Read) {
    this.#read = read;
  }

  /** Paths are latin1 (names.ts); that of the source is only looked at where open files have none. */
  async directory(source: number, path: string, to: string): Promise<void> {
    const from = process.platform === "linux" ? `/proc/self/fd/${source}` : path;
    const names = orGone(() => fs.readdirSync(bytesOf(from), { encoding: "latin1" })) ?? [];
    for (const name of names) await this.#entry(`${from}/${name}`, `${to}/${name}`);
    const into = fs.openSync(bytesOf(to), DIRECTORY);
    dress(into, fs.fstatSync(source));
    fs.closeSync(into);
  }

  async #entry(from: string, to: string): Promise<void> {
    const path = bytesOf(from);
    const stats = orGone(() => fs.lstatSync(path));
    if (stats?.isSymbolicLink()) copyLink(path, bytesOf(to), stats);
    else if (stats?.isDirectory())
      await opened(path, DIRECTORY, (source) => {
        fs.mkdirSync(bytesOf(to), { mode: 0o700 });
        return this.directory(source, from, to);
      });
    else if (stats?.isFile()) await opened(path, FILE, (source) => this.#file(source, bytesOf(to)));
    await this.#read(0);
  }

  async #file(source: number, to: Buffer): Promise<void> {
    const { dev, ino, birthtimeMs, nlink } = fs.fstatSync(source);
    // One that is gone by now may have left its number to this one.
    const file = `${dev}:${ino}:${birthtimeMs}`;
    const known = this.#copies.get(file);
    if (known) return fs.linkSync(known, to);
    const into = fs.openSync(to, "wx+", 0o600);
    try {
      if (!(await this.#agreeing(source, into))) this.changing += 1;
      dress(into, fs.fstatSync(source));
    } finally {
      fs.closeSync(into);
    }
    if (nlink > 1) this.#copies.set(file, to);
  }

  /** Whether the file was left alone for one of the tries. */
  async #agreeing(source: number, into: number): Promise<boolean> {
    for (let tries = 1; ; tries++) {
      const began = Date.now();
      const before = fs.fstatSync(source);
      await this.#bytes(source, into, before.size);
      const after = fs.fstatSync(source);
      const settled = Math.max(after.mtimeMs, after.ctimeMs) < began - SETTLED_MS;
      if (settled && after.ctimeMs === before.ctimeMs && after.size === before.size) return true;
      if (tries === TRIES) return false;
      await pause(PAUSE_MS);
    }
  }

  /** What is zero becomes a hole. */
  async #bytes(source: number, into: number, size: number): Promise<void> {
    fs.ftruncateSync(into, 0);
    let at = 0;
    while (at < size) {
      const bytes = fs.readSync(source, BUFFER, 0, Math.min(BUFFER.length, size - at), at);
      if (bytes === 0) break;
      const piece = BUFFER.subarray(0, bytes);
      if (!piece.equals(ZEROS.subarray(0, bytes))) writeAll(into, piece, at);
      at += bytes;
      await this.#read(bytes);
    }
    fs.ftruncateSync(into, at);
  }
}

/** Nothing is done where it is gone, or something else by now. */
async function opened(path: Buffer, flags: number, work: (file: number) => Promise<void>): Promise<void> {
  const file = orGone(() => fs.openSync(path, flags));
  if (file === undefined) return;
  try {
    await work(file);
  } finally {
    fs.closeSync(file);
  }
}

function copyLink(path: Buffer, to: Buffer, stats: fs.Stats): void {
  const target = orGone(() => fs.readlinkSync(path, { encoding: "buffer" }));
  if (target === undefined) return;
  fs.symlinkSync(target, to);
  if (process.getuid?.() === 0) fs.lchownSync(to, stats.uid, stats.gid);
  fs.lutimesSync(to, stats.atimeMs / 1000, stats.mtimeMs / 1000);
}

/** Owner, mode and times; only root gives files away. */
function dress(file: number, { uid, gid, mode, atimeMs, mtimeMs }: fs.Stats): void {
  if (process.getuid?.() === 0) fs.fchownSync(file, uid, gid);
  fs.fchmodSync(file, mode & 0o7777);
  fs.futimesSync(file, atimeMs / 1000, mtimeMs / 1000);
}

function writeAll(file: number, piece: Buffer, at: number): void {
  for (let written = 0; written < piece.length; )
    written += fs.writeSync(file, piece, written, piece.length - written, at + written);
}

const GONE = ["ENOENT", "ENOTDIR", "ELOOP", "EINVAL"];

function orGone<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (GONE.includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}
