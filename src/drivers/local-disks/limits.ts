/** Whether disks can have images here: found by making one, mounting it and writing to it. */
import { randomUUID } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { DiskEngine } from "../disks.ts";
import { removeTree } from "../local/tree.ts";
import { makeImage, SMALLEST } from "./image.ts";
import { runInside } from "./job.ts";

export interface LocalDisksOptions {
  /** That of the local driver. */
  readonly dataDir: string;
  /** That of the local driver: only pods in namespaces can have an image mounted for them alone. */
  readonly isolation: "namespaces" | "processes";
  /** Pods are nothing that can be seen here: whoever asks for a snapshot of what one has sees to it that it has it all the time. */
  readonly podsElsewhere?: boolean;
  log?(fields: Record<string, unknown>, message: string): void;
}

type Limits = DiskEngine["limits"];

const ENFORCED: Limits = { enforced: true, how: "each disk is a file system of its size" };

/** `dataDir` is where the disks are; what is tried there is gone afterwards, or with the probes of namespaces.ts. */
export async function findLimits({ dataDir, isolation, log }: LocalDisksOptions): Promise<Limits> {
  if (isolation === "processes")
    return notEnforced("pods are plain processes here, which see the same mounts");
  const volume = join(dataDir, `probe-${randomUUID()}`);
  try {
    await mkdir(volume, { mode: 0o700 });
    await makeImage(volume, SMALLEST);
    await runInside({ volumes: [volume] }, ["touch", join(volume, "mnt", "home", "written")]);
    return ENFORCED;
  } catch (error) {
    const fault = (error as Error).message;
    log?.({ fault }, "disks cannot have images here: their sizes are not enforced");
    return notEnforced("disks cannot be file systems of their own on this server");
  } finally {
    await removeTree(volume);
  }
}

const notEnforced = (why: string): Limits => ({ enforced: false, how: `not enforced: ${why}` });
