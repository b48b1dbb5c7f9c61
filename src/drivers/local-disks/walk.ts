/** A tree of files, in one order for the same tree wherever it is. */
import { lstatSync, readdirSync, type Stats } from "node:fs";
import type { DiskUse } from "../disks.ts";
import { isMissing } from "../local/pod-dir.ts";
import { bytesOf, latin1Of } from "./names.ts";

export interface Visit {
  /** Relative to the root, latin1 (names.ts); "" is the root. */
  readonly name: string;
  readonly path: Buffer;
  readonly stats: Stats;
  /** For another name of a file that came already: the first one. */
  readonly same: string | undefined;
}

/** Whether somebody writes to the tree meanwhile: then what vanishes is passed over. */
export type Mood = "quiet" | "live";

/** Each directory before what is in it, that sorted by bytes. Holds the names of one directory to a level, and files with several names. */
export function* walk(root: string, mood: Mood = "quiet"): Generator<Visit> {
  const linked = new Map<string, string>();
  const left: Iterator<string>[] = [[""].values()];
  const top = latin1Of(root);
  for (let level = left.at(-1); level; level = left.at(-1)) {
    const { done, value: name } = level.next();
    if (done) {
      left.pop();
      continue;
    }
    const path = bytesOf(name === "" ? top : `${top}/${name}`);
    const stats = orGone(mood, () => lstatSync(path));
    if (!stats) continue;
    yield { name, path, stats, same: firstName(linked, name, stats) };
    if (!stats.isDirectory()) continue;
    const names = orGone(mood, () => readdirSync(path, { encoding: "latin1" })) ?? [];
    left.push(within(name, names.sort()));
  }
}

/** The one of that name, by itself; undefined when there is none. */
export function visitOf(root: string, name: string): Visit | undefined {
  const path = bytesOf(`${latin1Of(root)}/${name}`);
  const stats = orGone("live", () => lstatSync(path));
  return stats && { name, path, stats, same: undefined };
}

function orGone<T>(mood: Mood, look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (mood === "live" && isMissing(error)) return undefined;
    throw error;
  }
}

function* within(directory: string, names: readonly string[]): Generator<string> {
  for (const name of names) yield directory === "" ? name : `${directory}/${name}`;
}

function firstName(linked: Map<string, string>, name: string, stats: Stats): string | undefined {
  if (stats.isDirectory() || stats.nlink < 2) return undefined;
  const file = `${stats.dev}:${stats.ino}`;
  const first = linked.get(file);
  if (first === undefined) linked.set(file, name);
  return first;
}

/** What a tree takes; `breathe` is awaited after each of its files. */
export async function measureTree(
  root: string,
  breathe: () => Promise<void>,
  mood: Mood = "quiet",
): Promise<DiskUse> {
  let [usedBytes, files] = [0, -1];
  for (const { stats, same } of walk(root, mood)) {
    await breathe();
    if (same !== undefined) continue;
    files++;
    usedBytes += allocated(stats);
  }
  return { usedBytes, files };
}

/** stat(2): a block is 512 bytes, whatever the file system's are. */
export const allocated = (stats: Stats): number => stats.blocks * 512;
