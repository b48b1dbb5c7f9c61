/**
 * Snapshots of a disk that a pod has. An image on a file system that shares blocks between files is held still for a moment and
 * cloned: all of it is as of one instant. Else it is copied file by file while it is being written to (live-copy.ts).
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { DiskUse } from "../disks.ts";
import { DriverError } from "../driver.ts";
import { readClaim } from "../local/control.ts";
import { homeOf } from "../local/disk.ts";
import { control, exists, podDir, readIfThere, volumeOf } from "../local/pod-dir.ts";
import { attempt, type Made } from "./attempts.ts";
import { cloneHeldStill, markOf, sharesBlocks } from "./freeze.ts";
import type { Job } from "./job.ts";
import { homeIn, imageOf } from "./layout.ts";

type Run = (job: Job, volumes: readonly string[], held?: readonly Made[]) => Promise<DiskUse>;

/** Runs a job that copies what is on `volume`, which the pod has. Throws DriverError when it does not have it, or no longer. */
export async function copyInUse(
  volume: string,
  pod: { readonly dataDir: string; readonly name: string },
  job: Omit<Job, "from">,
  run: Run,
): Promise<void> {
  const dir = podDir(join(pod.dataDir, "pods"), pod.name);
  if ((await volumeOf(dir)) !== volume || (await readClaim(dir)) !== "alive")
    throw new DriverError("the pod that has the disk is not running");
  const home = await homeOf(dir);
  if (await copyStill(volume, home, job, run)) return;
  const pid = Number(await readIfThere(control(dir, "claim")));
  await run({ ...job, from: home, live: true, pod: { pid, dir } }, []);
}

/** Whether that can be done here, and was. */
async function copyStill(volume: string, home: string, job: Omit<Job, "from">, run: Run): Promise<boolean> {
  if (!(await exists(imageOf(volume)))) return false;
  let still = false;
  await attempt(volume, async (made) => {
    const copy = made.path;
    if (!(await sharesBlocks(copy))) return;
    still = await cloneHeldStill({ home, image: imageOf(volume), to: imageOf(copy), mark: markOf(volume) });
    if (!still) return;
    await mkdir(join(copy, "mnt"), { mode: 0o700 });
    await run({ ...job, from: await homeIn(copy), still: true }, [], [made]);
  });
  return still;
}
