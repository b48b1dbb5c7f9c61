/** Small files that are the user's alone and that several processes write. All at once: a thread for each step would take longer than the step. */
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

const LOCK_RETRY_MS = 10;
const LOCK_WAIT_MS = 3_000;
/** Nobody holds a lock for so long: its owner died. */
const LOCK_STALE_MS = 10_000;

/** The text of a file; undefined when it is not there. */
export function readOwnFile(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    return absent(error);
  }
}

/** Replaces a file as a whole, by write and rename: a reader sees the old text or the new. Mode 0600, in a directory of 0700. */
export function writeOwnFile(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(temporary, text, { flag: "wx", mode: 0o600 });
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    // What goes wrong while it is written names no file by itself, and the other name says nothing to anybody.
    throw Object.assign(error as Error, { path: file });
  }
}

/** Runs `act`, which takes no longer than 10 s, while no other process changes `file`. Throws when the lock cannot be had within `waitMs`. */
export async function whileLocked<T>(
  file: string,
  act: () => T | Promise<T>,
  waitMs = LOCK_WAIT_MS,
): Promise<T> {
  const lock = `${file}.lock`;
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  for (const until = Date.now() + waitMs; !takeLock(lock); await pause())
    if (Date.now() > until) throw new Error(`${lock} is held by another process; remove it if there is none`);
  try {
    return await act();
  } finally {
    rmSync(lock, { force: true });
  }
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, LOCK_RETRY_MS));

function takeLock(lock: string): boolean {
  try {
    closeSync(openSync(lock, "wx", 0o600));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const held = statSync(lock, { throwIfNoEntry: false });
  if (held && Date.now() - held.mtimeMs > LOCK_STALE_MS) rmSync(lock, { force: true });
  return false;
}

/** For a file that may not be there: undefined then; every other error is thrown on. */
export function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return undefined;
}
