/** server.json: tells the command line of the same user where the server is (api/home.ts reads it). */
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import type { Home, LocalServer } from "../api/home.ts";
import { localServerFile } from "../api/home.ts";
import { StartError } from "./config/config.ts";

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

/** Takes the file away if it is still about this server; a later one's stays, also one that comes at this very moment. */
export async function withdraw(home: Home, server: LocalServer): Promise<void> {
  const file = localServerFile(home);
  if (!(await isAbout(file, server))) return;
  const aside = `${file}.${server.pid}.old`;
  try {
    await rename(file, aside);
    // Another server's may have come between the look and the step: it goes back, unless a third one's is there by now.
    if (!(await isAbout(aside, server))) await link(aside, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function isAbout(file: string, { token }: LocalServer): Promise<boolean> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return text?.includes(JSON.stringify(token)) ?? false;
}
