/** Other sizes for disks with images. */
import { mkdir, rename, stat } from "node:fs/promises";
import type { Progress } from "../disks.ts";
import { removeTree } from "../local/tree.ts";
import { makeImage } from "./image.ts";
import { runJob } from "./job.ts";
import { beingMade, homeIn, imageOf, syncDirectory } from "./layout.ts";

/**
 * Puts a copy of that size in the image's place, in one step. Not by resize2fs: killed in the middle of making a file system smaller,
 * it leaves none; making one larger while it is mounted takes a capability that root in a container does not have.
 */
export async function resizeImage(volume: string, sizeBytes: number, progress?: Progress): Promise<void> {
  if ((await stat(imageOf(volume))).size === sizeBytes) return;
  const resized = beingMade(volume);
  await removeTree(resized);
  try {
    await mkdir(resized, { mode: 0o700 });
    await makeImage(resized, sizeBytes);
    await runJob({ from: await homeIn(volume), to: await homeIn(resized) }, [volume, resized], progress);
    await rename(imageOf(resized), imageOf(volume));
    await syncDirectory(volume);
  } finally {
    await removeTree(resized);
  }
}
