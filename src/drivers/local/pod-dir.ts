/**
 * A pod's directory, `<dataDir>/pods/<name>`:
 *
 *     deployment   whose pod it is
 *     home, tmp    the user's files
 *     upper, work, root   the overlay (namespaces only)
 *     control/     what driver and pod tell each other: seen in the pod too
 *       log        what the scripts and sshd said
 *       said, said.1   the same with numbers and times (said.ts)
 *       cleared    how many lines log had before it was cleared, if it was
 *       claim      pid of the one process that runs this pod; made once, so that two launches make one pod
 *       port       where sshd listens, once it does
 *       died       why the pod ended
 *       boot       which start of the machine it runs in
 *       oom        how many processes the machine's kernel had killed for want of memory, some ten seconds ago
 *       hosts, ssh_config, peer_key, peer_hosts   how it reaches the others (one of several only)
 *       deadline   epoch seconds, read by the watchdog every second
 *       gpus       UUIDs of its GPUs, with commas; empty for one without real GPUs
 *       notice-end, notice-idle   what the users were told last about that
 *       disk       the directory of the disk that is its home; without it, home is
 *       refused    why the pod cannot be, found while it was being made
 */
import { randomUUID } from "node:crypto";
import { chmod, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What the programs of a pod are looked up in, and what its users begin with. */
export const SEARCH_PATH =
  "/usr/local/nvidia/bin:/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/wsl/lib";

const NAME = /^[a-z][a-z2-7]{19}-\d{1,6}(?:-\d{1,3})?$/;

/** A pod's name is `<reservation id>-<attempt>`, of several `<reservation id>-<attempt>-<rank>`; nothing else ever becomes part of a path. */
export const isPodName = (name: string): boolean => NAME.test(name);

/** The directory of a pod; throws for what cannot be a pod's name. */
export function podDir(podsDir: string, name: string): string {
  if (!isPodName(name)) throw new TypeError(`${JSON.stringify(name)} is not the name of a pod`);
  return join(podsDir, name);
}

export const control = (dir: string, file = ""): string => join(dir, "control", file);

/** Replaces a file in one step: a reader sees the old text or the new. */
export async function writeWhole(path: string, text: string, mode = 0o600): Promise<void> {
  const next = `${path}.${randomUUID()}`;
  try {
    await writeFile(next, text, { mode, flag: "wx" });
    // Whatever the umask is, a pod's user has to read the keys.
    await chmod(next, mode);
    await rename(next, path);
  } catch (error) {
    // On a full disk each try would leave one; what went wrong first is what is told.
    await Promise.allSettled([rm(next, { force: true })]);
    throw error;
  }
}

/** The text of a file, or undefined when there is none. */
export const readIfThere = (path: string): Promise<string | undefined> =>
  unlessMissing(readFile(path, "utf8"));

/** The directory of the disk that is the home of the pod in `dir`, if it has one. */
export const volumeOf = async (dir: string): Promise<string | undefined> =>
  (await readIfThere(control(dir, "disk")))?.replace(/\n$/, "");

export const exists = async (path: string): Promise<boolean> =>
  (await unlessMissing(stat(path))) !== undefined;

/** Undefined where there is no such file; any other trouble is thrown. */
export async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

export const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");
