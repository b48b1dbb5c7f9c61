/** The files of a pod's directory: made before anything runs in it, removed after nothing does. */
import { execFile } from "node:child_process";
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Isolation } from "./isolation.ts";
import { control, writeWhole } from "./pod-dir.ts";

/** What a user of the pod reads (sshd looks at the keys as the user) or runs; the rest is only for the owner of the directory. */
const MODES: Record<string, number> = {
  authorized_keys: 0o644,
  session: 0o755,
  ssh_config: 0o644,
  peer_hosts: 0o644,
};

/** Makes the directories of a pod in `dir`, which exists, and the files of its control directory. */
export async function makeTree(
  dir: string,
  isolation: Isolation,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  for (const name of ["control", ...isolation.directories]) await mkdir(join(dir, name), { mode: 0o700 });
  // It becomes the mode of the pod's root directory.
  if (isolation.directories.includes("upper")) await chmod(join(dir, "upper"), 0o755);
  await Promise.all(
    Object.entries(files).map(([name, text]) => writeWhole(control(dir, name), text, MODES[name])),
  );
}

/** Removes a directory with all that is in it; rm itself, since a home may have millions of files. */
export async function removeTree(dir: string): Promise<void> {
  const run = promisify(execFile);
  try {
    await run("rm", ["-rf", "--", dir]);
  } catch {
    // Users make directories read-only (package caches are); only root removes from those.
    await run("chmod", ["-R", "u+rwX", "--", dir]);
    await run("rm", ["-rf", "--", dir]);
  }
}
