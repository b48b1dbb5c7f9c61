/** Disks whose size is enforced: a sparse file with an ext4 file system of that size. */
import { execFile } from "node:child_process";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { DiskRefused, type DiskUse } from "../disks.ts";
import { SEARCH_PATH } from "../local/pod-dir.ts";
import { imageOf } from "./layout.ts";

const GIB = 1024 ** 3;
/** Smaller ones have hardly any room for files beside their own tables. */
export const SMALLEST = 16 * 1024 ** 2;
/** Zeroing the tables of inodes would fill the image: there are zeros where it has holes. */
export const MOUNT_OPTIONS = "loop,nosuid,nodev,discard,noinit_itable";

const run = (program: string, args: readonly string[]) =>
  promisify(execFile)(program, args, { env: { PATH: SEARCH_PATH, LC_ALL: "C" } });

/** Makes the image, with an empty directory `home` in it, and what it is mounted on. */
export async function makeImage(volume: string, sizeBytes: number): Promise<void> {
  const image = imageOf(volume);
  const skeleton = join(volume, "skeleton");
  await mkdir(join(skeleton, "home"), { recursive: true, mode: 0o700 });
  await mkdir(join(volume, "mnt"), { mode: 0o700 });
  const file = await open(image, "wx", 0o600);
  try {
    await file.truncate(sizeBytes).catch(tooLarge);
    await makeFileSystem(image, sizeBytes, skeleton);
    await file.sync();
  } finally {
    await file.close();
  }
  await rm(skeleton, { recursive: true });
}

function tooLarge(error: NodeJS.ErrnoException): never {
  if (error.code !== "EFBIG") throw error;
  throw new DiskRefused("it is larger than a file can be on the server's file system");
}

async function makeFileSystem(image: string, sizeBytes: number, skeleton: string): Promise<void> {
  // A file for every 8 KiB, where the usual 16 are too few for package caches; the journal bounds what a start after a crash replays.
  const journal = sizeBytes < GIB ? [] : ["-J", "size=64"];
  const lazily = "lazy_itable_init=1,lazy_journal_init=1,nodiscard";
  await run("mkfs.ext4", [
    "-q",
    "-F",
    "-m",
    "0",
    "-i",
    "8192",
    ...journal,
    "-E",
    lazily,
    "-d",
    skeleton,
    image,
  ]);
}

/** From the superblock, since counting would take longer the more files there are; while it is mounted, of some time before. */
export async function usedInImage(image: string): Promise<DiskUse> {
  const block = await superblock(image);
  const high = (at: number): number => block.readUInt32LE(at) * 2 ** 32;
  const low = (at: number): number => block.readUInt32LE(at);
  const [blocks, free] = [low(0x4) + high(0x150), low(0xc) + high(0x158)];
  // Its own tables do not count (s_overhead_clusters), nor do its reserved inodes, lost+found and home.
  const used = (blocks - free - low(0x248)) * 1024 * 2 ** low(0x18);
  return { usedBytes: Math.max(0, used), files: Math.max(0, low(0x0) - low(0x10) - low(0x54) - 1) };
}

/** See Documentation/filesystems/ext4/super.rst in the kernel. */
async function superblock(image: string): Promise<Buffer> {
  const file = await open(image);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 1024);
    if (bytesRead < 1024 || buffer.readUInt16LE(0x38) !== 0xef53)
      throw new DiskRefused("the disk's file system is damaged: its first block is not one of ext4");
    return buffer;
  } finally {
    await file.close();
  }
}
