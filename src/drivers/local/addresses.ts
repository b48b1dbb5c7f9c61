/**
 * Addresses of a gang, the pods of one reservation on several nodes: 127.64.0.1 and on, one for each pod, so that all of them
 * may listen on the same port although they share the host's network. Which gang has which block of 256 addresses is a symbolic
 * link, `<dataDir>/gangs/<block> -> <gang>`, because making one is a single step that only one process can do.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readlink, rm, symlink } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { DriverError } from "../driver.ts";

/** From 127.64.0.0 to 127.127.255.0: where hardly anything else listens. */
const BLOCKS = 64 * 256;
/** The port of each pod's sshd on the pod's own address. */
export const PEER_PORT = 29_522;

/** The address of a rank in a block of 256 addresses. */
export const addressOf = (block: number, rank: number): string =>
  `127.${64 + (block >> 8)}.${block & 255}.${rank + 1}`;

/** The block of a gang: the one that it has, else a free one. Only one call at a time for a gang. */
export async function blockOf(dataDir: string, gang: string): Promise<number> {
  const dir = join(dataDir, "gangs");
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const first = createHash("sha256").update(gang).digest().readUInt32BE() % BLOCKS;
  const known = await blocksOf(dataDir, gang);
  if (known[0] !== undefined) return known[0];
  for (let i = 0; i < BLOCKS; i++) {
    const block = (first + i) % BLOCKS;
    // Another server on this machine, with a directory of its own, may have it.
    if ((await listens(addressOf(block, 0))) && (await claim(join(dir, String(block)), gang))) return block;
  }
  throw new DriverError("all addresses for reservations on several nodes are taken");
}

/** Gives back what a gang has; doing it again does nothing. */
export async function releaseBlock(dataDir: string, gang: string): Promise<void> {
  for (const block of await blocksOf(dataDir, gang))
    await rm(join(dataDir, "gangs", String(block)), { force: true });
}

async function blocksOf(dataDir: string, gang: string): Promise<number[]> {
  const dir = join(dataDir, "gangs");
  const names = await readdir(dir).catch(nothingWhereMissing);
  const owners = await Promise.all(names.map((name) => readlink(join(dir, name)).catch(nothingWhereMissing)));
  return names.flatMap((name, i) => (owners[i] === gang ? [Number(name)] : []));
}

/** What went away meanwhile is nobody's, and so is what is no link. */
function nothingWhereMissing(error: NodeJS.ErrnoException): [] {
  if (error.code === "ENOENT" || error.code === "EINVAL") return [];
  throw error;
}

async function claim(path: string, gang: string): Promise<boolean> {
  try {
    await symlink(gang, path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** Whether a pod could listen there. */
async function listens(address: string): Promise<boolean> {
  const server = createServer().listen(PEER_PORT, address);
  try {
    await once(server, "listening");
  } catch {
    // In use, or no address of this machine: in either case not for us.
    return false;
  }
  await once(server.close(), "close");
  return true;
}
