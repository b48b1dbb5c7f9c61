/** server.json: tells the command line of the same user where the server is (api/home.ts reads it). */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import type { Home, LocalServer } from "../api/home.ts";
import { localServerFile } from "../api/home.ts";
import { StartError } from "./config.ts";

/** Writes the file (0600 in a directory of 0700), whole or not at all. Throws StartError. */
export async function announce(home: Home, server: LocalServer): Promise<void> {
  const file = localServerFile(home);
  try {
    await mkdir(home.stateDir, { recursive: true, mode: 0o700 });
    await write(`${file}.${server.pid}.tmp`, `${JSON.stringify(server, null, 2)}\n`);
    await rename(`${file}.${server.pid}.tmp`, file);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`${file} cannot be written (${code}); GPU_DEV_HOME moves it`, { cause });
  }
}

async function write(file: string, text: string): Promise<void> {
  const handle = await open(file, "w", 0o600);
  try {
    // The mode of open() only holds for a new file, and a killed server may have left one.
    await handle.chmod(0o600);
    await handle.writeFile(text);
  } finally {
    await handle.close();
  }
}

/** Takes the file away if it is still about this server; a later one's stays. */
export async function withdraw(home: Home, server: LocalServer): Promise<void> {
  const file = localServerFile(home);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text?.includes(JSON.stringify(server.token))) await rm(file, { force: true });
}
