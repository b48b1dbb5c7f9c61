/** Files that are the user's alone and that several processes write. */
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const LOCK_RETRY_MS = 10;
const LOCK_WAIT_MS = 3_000;
/** Nobody holds a lock for so long: its owner died. */
const LOCK_STALE_MS = 10_000;

/** Replaces a file as a whole, by write and rename: a reader sees the old text or the new. Mode 0600, in a directory of 0700. */
export async function writeOwnFile(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const temporary = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    const handle = await open(temporary, "wx", 0o600);
    await handle.writeFile(text).finally(() => handle.close());
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    // What goes wrong while it is written names no file by itself, and the other name says nothing to anybody.
    throw Object.assign(error as Error, { path: file });
  }
}

/** Runs `act`, which takes no longer than 10 s, while no other process changes `file`. Throws when the lock cannot be had within `waitMs`. */
export async function whileLocked<T>(file: string, act: () => Promise<T>, waitMs = LOCK_WAIT_MS): Promise<T> {
  const lock = `${file}.lock`;
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  for (const until = Date.now() + waitMs; !(await takeLock(lock)); await pause(LOCK_RETRY_MS))
    if (Date.now() > until) throw new Error(`${lock} is held by another process; remove it if there is none`);
  try {
    return await act();
  } finally {
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await (await open(lock, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const held = await stat(lock).catch(absent);
  if (held && Date.now() - held.mtimeMs > LOCK_STALE_MS) await rm(lock, { force: true });
  return false;
}

/** For a file that may not be there: undefined then; every other error is thrown on. */
export function absent(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  return undefined;
}
