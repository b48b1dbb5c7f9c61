/**
 * Attempts at making something: each under a name of its own, so that a server that lost its lease and the one that follows it never
 * touch each other's. What killed attempts left is cleared away before the next one and after it; the rest is for the sweep.
 */
import { type FileHandle, mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DriverError } from "../driver.ts";
import { exists } from "../local/pod-dir.ts";
import { removeTree } from "../local/tree.ts";
import { beingDeleted, beingMade, idOf, isHalfMade } from "./layout.ts";
import { hold, inUse, isBusy } from "./lock.ts";

/** A new directory, of which nobody else can take anything away while `lock` is open. */
export interface Made {
  readonly path: string;
  readonly lock: FileHandle;
}

/** Lets `work` fill a new directory beside `place`, and put what it made in its place; nothing of the attempt is left afterwards. */
export async function attempt(place: string, work: (made: Made) => Promise<void>): Promise<void> {
  await clearAttempts(place);
  const made = await begin(place);
  try {
    await work(made);
  } finally {
    await removeTree(made.path);
    await made.lock.close();
    // What was still ending with its server at first.
    await clearAttempts(place);
  }
}

/** Another server that clears away may be quicker than the lock. */
async function begin(place: string): Promise<Made> {
  for (;;) {
    const path = beingMade(place);
    await mkdir(path, { mode: 0o700 });
    const lock = await hold(path);
    if (lock) return { path, lock };
  }
}

/** Takes away what attempts left that nobody works on: their servers are dead, or have lost the lease. */
export async function clearAttempts(place: string): Promise<void> {
  for (const path of await attemptsAt(place)) await takeAwayIfIdle(place, path);
}

/** Takes away all that attempts left. Throws DriverError while somebody works on one. */
export async function discardAttempts(place: string): Promise<void> {
  for (const path of await attemptsAt(place)) await discard(place, path);
}

/** Takes away one. Throws DriverError while somebody works on it. */
export async function discard(place: string, path: string): Promise<void> {
  if (!(await takeAwayIfIdle(place, path)))
    throw new DriverError("it is still being worked on, by another server");
}

/** Takes away a disk or snapshot. Throws DriverError while a pod has it, or somebody works on it. */
export async function takeAway(place: string): Promise<void> {
  if (!(await takeAwayIfIdle(place, place))) throw inUse();
}

/** False while somebody works on it. Renamed first: nobody can publish a tree, or find one, of which a part is gone. */
async function takeAwayIfIdle(place: string, path: string): Promise<boolean> {
  if (await isBusy(path)) return false;
  const lock = await hold(path);
  if (!lock) return !(await exists(path));
  const gone = beingDeleted(place);
  try {
    await rename(path, gone);
    await removeTree(gone);
  } finally {
    await lock.close();
  }
  return true;
}

async function attemptsAt(place: string): Promise<string[]> {
  const directory = dirname(place);
  const files = await readdir(directory);
  return files
    .filter((file) => isHalfMade(file) && idOf(file) === basename(place))
    .map((file) => join(directory, file));
}
