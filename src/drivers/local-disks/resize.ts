/** Other sizes for disks with images. */
import { stat } from "node:fs/promises";
import type { Progress } from "../disks.ts";
import { attempt } from "./attempts.ts";
import { makeImage } from "./image.ts";
import { runJob } from "./job.ts";
import { homeIn, imageOf } from "./layout.ts";

/**
 * Puts a copy of that size in the image's place, in one step. Not by resize2fs: killed in the middle of making a file system smaller,
 * it leaves none; making one larger while it is mounted takes a capability that root in a container does not have.
 */
export async function resizeImage(volume: string, sizeBytes: number, progress?: Progress): Promise<void> {
  await attempt(volume, async (resized) => {
    if ((await stat(imageOf(volume))).size === sizeBytes) return;
    const { path } = resized;
    await makeImage(path, sizeBytes);
    const publish = { made: imageOf(path), place: imageOf(volume) };
    const job = { from: await homeIn(volume), to: await homeIn(path), publish };
    await runJob(job, { volumes: [volume], held: [resized] }, progress);
  });
}
