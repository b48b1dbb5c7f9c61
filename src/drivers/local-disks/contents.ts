/** What is in a directory of a snapshot, page by page, without holding all of its names. */
import { lstat, opendir } from "node:fs/promises";
import type { DiskEntry } from "../disks.ts";
import { unlessMissing } from "../local/pod-dir.ts";
import { bytesOf, latin1Of, nameOf, textOf } from "./names.ts";
import { kindOf } from "./tree-list.ts";

export interface Page {
  readonly after?: string;
  readonly limit: number;
}

/** Names are read in pieces of this many, and between two of them others have their turn. */
const AT_ONCE = 1024;

/** The entries of the directory `path` (text) below `root` that follow `after`; "absent" where there is no such directory. */
export async function entriesOf(root: string, path: string, page: Page): Promise<DiskEntry[] | "absent"> {
  const directory = await directoryAt(root, path);
  if (directory === undefined) return "absent";
  const names = await firstNames(directory, page);
  return Promise.all(names.map((name) => entryOf(directory, name)));
}

/** The latin1 path of a directory, never through a link of the user's: each part has to be a directory itself. */
async function directoryAt(root: string, path: string): Promise<string | undefined> {
  let directory = latin1Of(root);
  for (const part of path.split("/").filter((p) => p !== "")) {
    const name = nameOf(part);
    if (name === "." || name === ".." || /[/\0]/.test(name)) return undefined;
    directory = `${directory}/${name}`;
    const stats = await unlessMissing(lstat(bytesOf(directory)));
    if (!stats?.isDirectory()) return undefined;
  }
  return directory;
}

/** Keeps at most twice the page. */
async function firstNames(directory: string, { after, limit }: Page): Promise<string[]> {
  const last = after === undefined ? undefined : nameOf(after);
  let names: string[] = [];
  for await (const { name } of await opendir(bytesOf(directory), {
    encoding: "latin1",
    bufferSize: AT_ONCE,
  })) {
    if (last !== undefined && name <= last) continue;
    names.push(name);
    if (names.length >= 2 * limit) names = names.sort().slice(0, limit);
  }
  return names.sort().slice(0, limit);
}

async function entryOf(directory: string, name: string): Promise<DiskEntry> {
  const stats = await lstat(bytesOf(`${directory}/${name}`));
  return { name: textOf(name), kind: kindOf(stats), bytes: stats.size, modified: stats.mtime.toISOString() };
}
