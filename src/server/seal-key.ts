/** The key for users' secrets: a file beside the database, which a copy of the database alone does not have. */
import { randomBytes } from "node:crypto";
import { link, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Core } from "../core/core.ts";
import { SEAL_KEY_BYTES } from "../core/images/seal.ts";
import { fingerprintOf, replaceSealKey, sealKeyOf, useSealKey } from "../core/images/seal-key.ts";
import { type ServerOptions, StartError } from "./config/config.ts";

type Stored = Pick<Core, "store">;
type Options = Pick<ServerOptions, "secretsKeyFile" | "forgetSecrets"> & { readonly dataDir: string };

/**
 * The one that the secrets in this database are sealed with. In the data directory it is made by the first server that looks; only its user
 * may read it. Throws StartError for a file that holds no key, and rather than seal some secrets with one key and some with another.
 */
export async function openSealKey(options: Options, stored: Stored, logger: Logger): Promise<Buffer> {
  const { secretsKeyFile, forgetSecrets = false, dataDir } = options;
  const path = secretsKeyFile ?? join(dataDir, "secrets.key");
  const isNew = forgetSecrets || (await sealKeyOf(stored)) === undefined;
  const make = isNew && secretsKeyFile === undefined ? makeKey : refuseMissing;
  if (forgetSecrets && make === makeKey) await removeUnlessKey(path);
  const key = (await readKey(path)) ?? (await make(path));
  if (!isKey(key))
    throw new StartError(`${path} holds no key of ${SEAL_KEY_BYTES} bytes in base64: ${WAYS_OUT}; ${FIRST}`);
  const fingerprint = fingerprintOf(key);
  if (forgetSecrets) await forget(stored, fingerprint, logger);
  else if (!(await useSealKey(stored, fingerprint)))
    throw new StartError(
      `${path} holds another key than the one that the secrets in this database are encrypted with: ${WAYS_OUT}`,
    );
  return key;
}

const WAYS_OUT =
  "bring that back from a backup, or have it from another server of this database (secrets_key_file names the file); if it is lost, start once " +
  "with --forget-secrets, and all users log in to their registries again";
const FIRST = "a first one is made with: openssl rand -base64 32";

const isKey = (bytes: Buffer): boolean => bytes.length === SEAL_KEY_BYTES;

function refuseMissing(path: string): never {
  throw new StartError(`the key for users' secrets is missing, ${path}: ${WAYS_OUT}; ${FIRST}`);
}

async function forget(stored: Stored, fingerprint: string, logger: Logger): Promise<void> {
  const logins = await replaceSealKey(stored, fingerprint);
  logger.warn({ logins }, "logins for registries were forgotten, as --forget-secrets says");
}

/** What is no key opens nothing: whoever has the secrets forgotten need not remove it by hand as well. */
async function removeUnlessKey(path: string): Promise<void> {
  const found = await readKey(path);
  if (found && !isKey(found)) await rm(path);
}

/** Undefined when there is none. */
async function readKey(path: string): Promise<Buffer | undefined> {
  try {
    return Buffer.from(await readFile(path, "ascii"), "base64url");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new StartError(`the key for users' secrets, ${path}, cannot be read (${code})`, { cause });
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
