/**
 * Disks and snapshots of the local engine, below the server's data directory:
 *
 *     disks/<id>/image, mnt/   an ext4 file system of the disk's size, with the user's files in its directory home; only who works
 *                              with the disk, in a mount namespace of his own, has it mounted on mnt
 *     disks/<id>/home/         the user's files, where sizes cannot be enforced
 *     snapshots/<id>/home/     the files, list (tree-list.ts) and use.json
 *     <either>/<id>.<random>.new    being made, in one attempt; renamed once it is whole
 *     <either>/<id>.<random>.gone   being deleted
 *     quarantine/<disks or snapshots>-<id>-<epoch ms>
 */
import { randomUUID } from "node:crypto";
import { mkdir, open, rename } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isId } from "../../api/names.ts";
import { exists } from "../local/pod-dir.ts";

export const KINDS = ["disks", "snapshots"] as const;
export type Kind = (typeof KINDS)[number];

/** The directory of a disk or snapshot; throws for what cannot be an id. */
export function placeOf(dataDir: string, kind: Kind, id: string): string {
  if (!isId(id)) throw new TypeError(`${JSON.stringify(id)} is not the id of a disk or a snapshot`);
  return join(dataDir, kind, id);
}

/** Another name each time: a server that lost its lease may still be at work beside the one that follows it. */
export const beingMade = (place: string): string => `${place}.${randomUUID().slice(0, 8)}.new`;
export const beingDeleted = (place: string): string => `${place}.${randomUUID().slice(0, 8)}.gone`;
/** Of the name of something half made; earlier versions gave names without the random part. */
export const idOf = (name: string): string => name.replace(/(?:\.[0-9a-f]{8})?\.(?:new|gone)$/, "");
export const isHalfMade = (name: string): boolean => !isId(name) && isId(idOf(name));

export const imageOf = (volume: string): string => join(volume, "image");

/** Where the user's files are, for who has mounted the image if there is one. */
export const homeIn = async (volume: string): Promise<string> =>
  (await exists(imageOf(volume))) ? join(volume, "mnt", "home") : join(volume, "home");

export async function makePlaces(dataDir: string): Promise<void> {
  for (const name of [...KINDS, "quarantine"])
    await mkdir(join(dataDir, name), { recursive: true, mode: 0o700 });
}

/** `made` is `place` from now on, also after a loss of power; a disk or snapshot that is there already stays, and an image gives way. */
export async function settle(made: string, place: string): Promise<void> {
  await sync(made);
  await rename(made, place).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOTEMPTY" && error.code !== "EEXIST") throw error;
  });
  await sync(dirname(place));
}

/** A file or a directory is on the medium as it is now. */
export async function sync(path: string): Promise<void> {
  const file = await open(path);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
