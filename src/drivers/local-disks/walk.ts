/** A tree of files, in one order for the same tree wherever it is. */
import { lstatSync, readdirSync, type Stats } from "node:fs";
import type { DiskUse } from "../disks.ts";
import { bytesOf, latin1Of } from "./names.ts";

export interface Visit {
  /** Relative to the root, latin1 (names.ts); "" is the root. */
  readonly name: string;
  readonly path: Buffer;
  readonly stats: Stats;
  /** For another name of a file that came already: the first one. */
  readonly same: string | undefined;
}

/** Each directory before what is in it, that sorted by bytes. Holds the names of one directory to a level, and files with several names. */
export function* walk(root: string): Generator<Visit> {
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
    const stats = lstatSync(path);
    yield { name, path, stats, same: firstName(linked, name, stats) };
    if (!stats.isDirectory()) continue;
    left.push(within(name, readdirSync(path, { encoding: "latin1" }).sort()));
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
export async function measureTree(root: string, breathe: () => Promise<void>): Promise<DiskUse> {
  let [usedBytes, files] = [0, -1];
  for (const { stats, same } of walk(root)) {
    await breathe();
    if (same !== undefined) continue;
    files++;
    usedBytes += allocated(stats);
  }
  return { usedBytes, files };
}

/** stat(2): a block is 512 bytes, whatever the file system's are. */
export const allocated = (stats: Stats): number => stats.blocks * 512;
