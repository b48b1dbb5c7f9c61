/** A named disk as the home of a pod: in the pod's file `disk` stands which; see local-disks/layout.ts. */
import { lstat, rm } from "node:fs/promises";
import { join } from "node:path";
import { DiskRefused } from "../disks.ts";
import { DriverError, LaunchRefused, NOTICE_FILE, type PodSpec } from "../driver.ts";
import { markOf, thawAbandoned } from "../local-disks/freeze.ts";
import { usedInImage } from "../local-disks/image.ts";
import { imageOf, placeOf } from "../local-disks/layout.ts";
import { isBusy, untilDetached } from "../local-disks/lock.ts";
import { readPort } from "./control.ts";
import type { Isolation } from "./isolation.ts";
import { control, exists, readIfThere, unlessMissing, volumeOf } from "./pod-dir.ts";

/** The directory of the disk that a pod asks for. Throws LaunchRefused when the pod cannot have it (D-02). */
export async function diskOf(
  { disk }: Pick<PodSpec, "disk">,
  dataDir: string,
  isolation: Pick<Isolation, "kind">,
): Promise<string | undefined> {
  if (!disk) return undefined;
  const volume = placeOf(dataDir, "disks", disk.volume);
  if (!(await exists(volume))) throw new LaunchRefused("the data of the disk are not there");
  if (await isBusy(volume)) throw new LaunchRefused("another pod has the disk, or it is being copied");
  await untilDetached(volume);
  if (await exists(imageOf(volume))) await checkImage(imageOf(volume), isolation);
  else if (!(await isDirectory(join(volume, "home"))))
    throw new LaunchRefused("the disk is damaged: the directory of its files is not there");
  // A pod in namespaces sees to it itself.
  if (isolation.kind === "processes") await removeNotice(join(volume, "home"));
  return volume;
}

const isDirectory = async (path: string): Promise<boolean> =>
  (await unlessMissing(lstat(path)))?.isDirectory() ?? false;

/** What the pod before was told; a directory of that name is not ours. */
async function removeNotice(home: string): Promise<void> {
  const notice = join(home, NOTICE_FILE);
  const stats = await unlessMissing(lstat(notice));
  if (stats?.isFile()) await rm(notice);
}

async function checkImage(image: string, { kind }: Pick<Isolation, "kind">): Promise<void> {
  if (kind === "processes")
    throw new LaunchRefused(
      "the disk is a file system of its own, which pods of plain processes cannot have; it needs --isolation namespaces",
    );
  try {
    await usedInImage(image);
  } catch (error) {
    if (error instanceof DiskRefused) throw new LaunchRefused(error.message, { cause: error });
    throw error;
  }
}

/** The home of a pod that runs, as a path from here; an image is mounted only for the pod. */
export async function homeOf(dir: string): Promise<string> {
  const volume = (await volumeOf(dir)) ?? dir;
  if (!(await exists(imageOf(volume)))) return join(volume, "home");
  // Before that, its root may still be the machine's.
  if ((await readPort(dir)) === undefined) throw new DriverError("the pod is still starting");
  return `/proc/${Number(await readIfThere(control(dir, "claim")))}/root/home/dev`;
}

/** Lets go the disk of a pod that runs when it is held still for a snapshot by nobody any more. */
export async function thawDisk(dir: string): Promise<void> {
  const volume = await volumeOf(dir);
  if (volume === undefined || !(await exists(markOf(volume)))) return;
  await thawAbandoned(await homeOf(dir), markOf(volume));
}

/** Resolves once a pod whose processes are gone has let its disk go. */
export async function untilReleased(dir: string): Promise<void> {
  const volume = await volumeOf(dir);
  if (volume !== undefined) await untilDetached(volume);
}
