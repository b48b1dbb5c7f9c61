/** The key for users' secrets: a file beside the database, which a copy of the database alone does not have. */
import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { SEAL_KEY_BYTES } from "../core/images/seal.ts";
import { StartError } from "./config/config.ts";

/** Made by the first server that looks; only its user may read it. Throws StartError for a file that holds no key. */
export async function openSealKey(dataDir: string): Promise<Buffer> {
  const path = join(dataDir, "secrets.key");
  const key = (await readKey(path)) ?? (await makeKey(path));
  if (key.length === SEAL_KEY_BYTES) return key;
  throw new StartError(
    `${path} holds no key of ${SEAL_KEY_BYTES} bytes: bring it back from a backup, or remove it, and all users log in to their registries again`,
  );
}

async function readKey(path: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await readFile(path, "ascii"), "base64url");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** Written whole under another name first: of two servers that start at once, one has its key in place, and both use that. */
async function makeKey(path: string): Promise<Buffer> {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(draft, randomBytes(SEAL_KEY_BYTES).toString("base64url"), { mode: 0o600, flush: true });
  try {
    await link(draft, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return Buffer.from(await readFile(path, "ascii"), "base64url");
}
