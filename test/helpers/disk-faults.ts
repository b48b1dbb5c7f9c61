/** Media that fail for a while. */
import { rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { vi } from "vitest";
import type { LocalDiskRig } from "../drivers/disks-rig.ts";
import { run } from "../drivers/ssh.ts";

const LEAVE_BYTES = 2 ** 20;

/** Runs `work` while there is hardly any room where the rig's disks are. */
export async function whileFull(rig: LocalDiskRig, work: () => Promise<void>): Promise<void> {
  const ballast = join(rig.base, "ballast");
  const { bavail, bsize } = await statfs(rig.base);
  await run("fallocate", ["--length", String(Math.max(1, bavail * bsize - LEAVE_BYTES)), ballast]);
  try {
    await work();
  } finally {
    await rm(ballast, { force: true });
  }
}

/** Runs `work` while a file of this disk, which has an image, cannot be read; then it can again, unless it was replaced meanwhile. */
export async function whileUnreadable(
  rig: LocalDiskRig,
  volume: string,
  file: string,
  work: () => Promise<void>,
): Promise<void> {
  const [image, whole] = [join(rig.disk(volume), "image"), join(rig.base, "whole")];
  const { ino } = await stat(image);
  await run("cp", ["--sparse=always", image, whole]);
  // The map of its blocks is no map: the kernel reads that as an error of the medium.
  await run("debugfs", ["-w", "-R", `set_inode_field /home/${file} block[0] 0`, image]);
  try {
    await work();
  } finally {
    await untilUnused(image);
    const now = await stat(image).catch(() => undefined);
    if (now?.ino === ino) await run("cp", ["--sparse=always", whole, image]);
    await rm(whole);
  }
}

/** What was killed has it mounted for a moment more. */
const untilUnused = (image: string): Promise<void> =>
  vi.waitFor(
    async () => {
      const { stdout } = await run("losetup", ["--associated", image]);
      if (stdout.trim() !== "") throw new Error(`${image} is still in use`);
    },
    { timeout: 60_000, interval: 50 },
  );
