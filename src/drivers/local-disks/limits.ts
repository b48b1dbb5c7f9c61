/** Whether disks can have images here: found by making one, mounting it and writing to it. */
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { DiskEngine } from "../disks.ts";
import { removeTree } from "../local/tree.ts";
import { makeImage, SMALLEST } from "./image.ts";
import { runInside } from "./job.ts";

type Limits = DiskEngine["limits"];

const ENFORCED: Limits = { enforced: true, how: "each disk is a file system of its size" };

/** `dataDir` is where the disks are; what is tried there is gone afterwards, or with the probes of namespaces.ts. */
export async function findLimits(dataDir: string, isolation: "namespaces" | "processes"): Promise<Limits> {
  if (isolation === "processes")
    return notEnforced("pods are plain processes here, which see the same mounts");
  const volume = join(dataDir, `probe-${randomUUID()}`);
  try {
    await mkdir(volume, { mode: 0o700 });
    await makeImage(volume, SMALLEST);
    await runInside([volume], ["touch", join(volume, "mnt", "home", "written")]);
    return ENFORCED;
  } catch (error) {
    return notEnforced(`images cannot be mounted here (${(error as Error).message})`);
  } finally {
    await removeTree(volume);
  }
}

const notEnforced = (why: string): Limits => ({ enforced: false, how: `not enforced: ${why}` });
