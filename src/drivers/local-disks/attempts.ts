/**
 * Attempts at making something: each under a name of its own, so that a server that lost its lease and the one that follows it never
 * touch each other's. What killed attempts left is cleared away before the next one and after it; the rest is for the sweep.
 */
import { mkdir, readdir, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DriverError } from "../driver.ts";
import { exists, unlessMissing } from "../local/pod-dir.ts";
import { removeTree } from "../local/tree.ts";
import { beingDeleted, beingMade, idOf, isHalfMade } from "./layout.ts";
import { isBusy } from "./lock.ts";

/** Lets `work` fill a new directory beside `place`, and put what it made in its place; nothing of the attempt is left afterwards. */
export async function attempt(place: string, work: (made: string) => Promise<void>): Promise<void> {
  await clearAttempts(place);
  const made = beingMade(place);
  try {
    await mkdir(made, { mode: 0o700 });
    await work(made);
  } finally {
    await removeTree(made);
    // What was still ending with its server at first.
    await clearAttempts(place);
  }
}

/** Takes away what attempts left that nobody works on: their servers are dead, or have lost the lease. */
export async function clearAttempts(place: string): Promise<void> {
  for (const path of await attemptsAt(place))
    if ((await exists(path)) && !(await isBusy(path))) await takeAway(place, path);
}

/** Takes away all that attempts left. Throws DriverError while somebody works on one. */
export async function discardAttempts(place: string): Promise<void> {
  for (const path of await attemptsAt(place)) await discard(place, path);
}

/** Takes away one. Throws DriverError while somebody works on it. */
export async function discard(place: string, path: string): Promise<void> {
  if (!(await exists(path))) return;
  if (await isBusy(path)) throw new DriverError("it is still being worked on, by another server");
  await takeAway(place, path);
}

/** Renamed first: nobody can publish a tree, or find one, of which a part is gone. */
export async function takeAway(place: string, path: string): Promise<void> {
  const gone = beingDeleted(place);
  await unlessMissing(rename(path, gone));
  await removeTree(gone);
}

async function attemptsAt(place: string): Promise<string[]> {
  const directory = dirname(place);
  const files = await readdir(directory);
  return files
    .filter((file) => isHalfMade(file) && idOf(file) === basename(place))
    .map((file) => join(directory, file));
}
