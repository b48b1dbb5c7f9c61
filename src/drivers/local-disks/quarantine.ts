/** What no row names is kept for a while: `quarantine/<disks or snapshots>-<id>-<epoch ms>`, to be moved back by hand. */
import { readdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { unlessMissing } from "../local/pod-dir.ts";
import { removeTree } from "../local/tree.ts";
import { type Kind, placeOf, sync } from "./layout.ts";

const NAME = /^(?:disks|snapshots)-([a-z][a-z2-7]{19})-(\d{13,15})$/;

export async function quarantine(dataDir: string, kind: Kind, id: string): Promise<void> {
  const place = join(dataDir, "quarantine");
  // Another server may have taken it away since it was looked for.
  await unlessMissing(rename(placeOf(dataDir, kind, id), join(place, `${kind}-${id}-${Date.now()}`)));
  await sync(place);
}

export async function quarantined(dataDir: string): Promise<{ file: string; id: string; since: Date }[]> {
  const files = await readdir(join(dataDir, "quarantine"));
  return files.flatMap((file) => {
    const [, id, since] = NAME.exec(file) ?? [];
    return id === undefined ? [] : [{ file, id, since: new Date(Number(since)) }];
  });
}

/** Deletes those that are older, and tells their ids. */
export async function expireQuarantine(dataDir: string, olderThanS: number): Promise<string[]> {
  const limit = Date.now() - olderThanS * 1000;
  const old = (await quarantined(dataDir)).filter(({ since }) => since.getTime() <= limit);
  for (const { file } of old) await removeTree(join(dataDir, "quarantine", file));
  return old.map(({ id }) => id);
}
