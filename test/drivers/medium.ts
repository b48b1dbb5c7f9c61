/** A file system of a kind, in a file, mounted for the length of a test. Needs root, the kind's mkfs (btrfs-progs, xfsprogs) and the kernel's part. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAKE = {
  ext4: ["mkfs.ext4", "-q", "-F"],
  xfs: ["mkfs.xfs", "-q", "-m", "reflink=1"],
  btrfs: ["mkfs.btrfs", "-q"],
} as const;
export type Kind = keyof typeof MAKE;
/** The smallest that mkfs.xfs makes, with room to spare; the file is sparse. */
const BYTES = 400 * 2 ** 20;

export interface Medium {
  readonly directory: string;
  unmount(): void;
}

/** The file system; a string says why there is none here. */
export function mountMedium(kind: Kind): Medium | string {
  const base = mkdtempSync(join(tmpdir(), "gpu-dev-medium-"));
  const image = join(base, "image");
  writeFileSync(image, "");
  truncateSync(image, BYTES);
  const [program, ...options] = MAKE[kind];
  const fault = said(program, [...options, image]) ?? said("mount", ["-o", "loop", image, base]);
  if (fault !== undefined) {
    rmSync(base, { recursive: true });
    return `${kind}: ${fault}`;
  }
  return {
    directory: base,
    unmount() {
      // What was killed lets go a moment later.
      const left = said("umount", [base]) ?? said("rm", ["-r", base]);
      if (left !== undefined) throw new Error(left);
    },
  };
}

function said(program: string, args: readonly string[]): string | undefined {
  const { status, error, stderr } = spawnSync(program, args, { encoding: "utf8" });
  if (status === 0) return undefined;
  return error?.message ?? (stderr.trim() || `${program} failed`);
}

/** Why the kind cannot be had here; undefined when it can. */
export function lacks(kind: Kind): string | undefined {
  if (process.getuid?.() !== 0) return "mounting needs root";
  const medium = mountMedium(kind);
  if (typeof medium === "string") return medium;
  medium.unmount();
  return undefined;
}
