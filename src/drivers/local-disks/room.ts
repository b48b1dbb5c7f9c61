/** Whether a copy can fit, before it is begun: a full file system would be everybody's trouble. */
import { stat, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { exactSize } from "../../api/size.ts";
import { sharesBlocks } from "./freeze.ts";

/** It is for users. */
export class NoRoom extends Error {
  override readonly name = "NoRoom";
}

/** Throws NoRoom when a copy that takes so many bytes cannot fit where it is made; of `sharing`, whose blocks it shares where that can be, it takes none. */
export async function requireRoom(bytes: number, made: string, sharing?: string): Promise<void> {
  const place = await stat(made);
  const directory = place.isDirectory() ? made : dirname(made);
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (bytes <= free) return;
  const shares = sharing !== undefined && (await stat(sharing)).dev === place.dev;
  if (shares && (await sharesBlocks(directory))) return;
  throw new NoRoom(`a copy does not fit: it takes ${exactSize(bytes)}, and ${exactSize(free)} are free`);
}
