/**
 * Copying a tree that is being written to, in the worker: what differs from the copy is copied again, a few times. Each file that agrees
 * in the end is as it was at one moment; the others keep changing, and are as they were at one of the tries.
 */
import { unlessMissing } from "../local/pod-dir.ts";
import { copyNames, copyTree } from "./copy.ts";
import { bytesOf } from "./names.ts";
import { lineOf } from "./tree-list.ts";
import { type Visit, visitOf, walk } from "./walk.ts";

const TRIES = 3;
/** A file that is written to all the time should not be caught each time at the same point. */
const PAUSE_MS = 100;

type Read = (bytes: number) => Promise<void>;

/** The working directory is what is copied. How many files kept changing. */
export async function copyLive(
  to: string,
  signal: AbortSignal,
  onBytes: (written: number) => void,
  read: Read,
): Promise<number> {
  await copyTree(".", to, signal, onBytes, "live");
  let changing = await differing(visitsOf(walk(".", "live")), to, read);
  for (let tries = 1; changing.length > 0 && tries < TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    await copyNames(changing.map(bytesOf), to, signal);
    changing = await differing(
      changing.map((name) => visitOf(".", name)),
      to,
      read,
    );
  }
  return changing.length;
}

/** What a directory is like changes with each file in it, and does not count; a file with several names counts by each. */
function* visitsOf(visits: Iterable<Visit>): Generator<Visit> {
  for (const visit of visits) if (!visit.stats.isDirectory()) yield { ...visit, same: undefined };
}

/** The names of those that are not in `to` as they are now; one that is gone by now is left as it was copied. */
async function differing(visits: Iterable<Visit | undefined>, to: string, read: Read): Promise<string[]> {
  const names: string[] = [];
  for (const visit of visits) {
    if (!visit) continue;
    const now = await unlessMissing(lineOf(visit, read));
    const copied = visitOf(to, visit.name);
    if (now !== undefined && now !== (copied && (await lineOf(copied, async () => undefined))))
      names.push(visit.name);
  }
  return names;
}
