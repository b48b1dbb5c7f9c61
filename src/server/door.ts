/** The socket in the data directory on which other servers of this machine hand tunnels to the gateway of this one. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { listenForForwarded, reach } from "../tunnel/forward.ts";
import type { Gateway } from "../tunnel/gateway.ts";
import { StartError } from "./config/config.ts";

/** What the kernel takes as the name of a socket, on every system. */
const MAX_PATH = 103;

export interface Door {
  readonly path: string;
  /** Names of the gateways whose process was killed. */
  readonly dead: readonly string[];
  close(): void;
}

/** Opens the door of the gateway called `name`, and takes away those of dead ones. Throws StartError when the path is too long. */
export async function openDoor(
  dataDir: string,
  name: string,
  gateway: Pick<Gateway, "handleUpgrade">,
): Promise<Door> {
  const folder = join(dataDir, "gateways");
  const path = join(folder, `${name}.sock`);
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new StartError(
      `the path of the data directory ${dataDir} is too long for a socket in it: it may have ${MAX_PATH - Buffer.byteLength(path) + Buffer.byteLength(dataDir)} bytes; choose another with --data-dir`,
    );
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const dead = await removeDead(folder);
  const close = await listenForForwarded(path, (request, socket, head) =>
    gateway.handleUpgrade(request, socket, head),
  );
  return { path, dead, close };
}

/** The kernel leaves the name of a socket whose process was killed. Servers that start together may all see it. */
async function removeDead(folder: string): Promise<string[]> {
  const names = await Promise.all(
    (await readdir(folder)).map(async (file) => {
      const path = join(folder, file);
      if (!(await isDead(path))) return [];
      await rm(path, { force: true });
      return [basename(file, ".sock")];
    }),
  );
  return names.flat();
}

/** One that does not answer may only be slow: its name is left alone, and is no reason not to start. */
async function isDead(path: string): Promise<boolean> {
  try {
    const live = await reach(path);
    live?.destroy();
    return live === undefined;
  } catch {
    return false;
  }
}
