/** The directory of the database, the pods and their disks: ours alone, because host keys and homes are in it. */
import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { StartError } from "./config/config.ts";

const OURS = ["gpu-dev.db", "server.lock", "pods"];

/** Makes the directory, or takes one that is empty or ours; 0700 in the end. Throws StartError for somebody else's. */
export async function prepareDataDir(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const { mode, uid } = await stat(path);
    // Root could use it all the same, and its owner would put links where root writes.
    if (process.getuid && uid !== process.getuid())
      throw new StartError(
        `the data directory ${path} belongs to another user (uid ${uid}); give one of your own, or chown it`,
      );
    if ((mode & 0o077) === 0) return;
    await close(path);
  } catch (cause) {
    if (cause instanceof StartError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(
      `the data directory ${path} cannot be used (${code}); choose another with --data-dir`,
      {
        cause,
      },
    );
  }
}

/** Never closes a directory of others, such as /tmp or a home: who shares it would be locked out. */
async function close(path: string): Promise<void> {
  const entries = await readdir(path);
  if (entries.length > 0 && !OURS.some((name) => entries.includes(name)))
    throw new StartError(
      `the data directory ${path} is open to other users and holds other files; give an empty one, or chmod 700 it`,
    );
  await chmod(path, 0o700);
}
