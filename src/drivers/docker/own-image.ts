/** Images that a server makes on a host, for what it brings along: named by what is in them, so that versions do not meet. */
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import { type Engine, unlessUsed } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";
import { type TarEntry, tarOf } from "./tar.ts";

export interface OwnImage {
  /** Of all that is in it. */
  readonly hash: string;
  /** Makes it under this name; `changes` are its labels, as a Dockerfile has them. */
  make(engine: Engine, name: string, changes: string): Promise<void>;
}

/** A hundred megabytes may have to go over a slow line. An engine that stalls in the middle of it is not tried again for as long. */
const IMPORT_MS = 30 * 60_000;

/** One of these files alone. They are read again when it is made: it may be large, and is made once. */
export async function imageOfFiles(files: () => Promise<readonly TarEntry[]>): Promise<OwnImage> {
  return {
    hash: await hashOf(await files()),
    async make(engine, name, changes) {
      await engine.ask("POST", "/images/create", {
        // Its tag is part of "repo", as docker's own client sends it: podman reads no other.
        query: { fromSrc: "-", repo: name, changes },
        body: tarOf(await files()),
        patienceMs: IMPORT_MS,
      });
    },
  };
}

/** Whoever else is served meanwhile waits for no more than one piece: Node alone is a hundred megabytes. */
const PIECE = 2 ** 22;

export async function hashOf(files: readonly TarEntry[]): Promise<string> {
  const all = createHash("sha256");
  for (const { path, mode, data = "" } of files) {
    const own = createHash("sha256");
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    for (let at = 0; at < bytes.length; at += PIECE) {
      own.update(bytes.subarray(at, at + PIECE));
      await turn();
    }
    all.update(`${path} ${mode} ${own.digest("hex")}\n`);
  }
  return all.digest("hex").slice(0, 16);
}

/** Makes the image of a part where it is missing, in the place of those of servers of other versions; its name. */
export async function placeImage(engine: Engine, names: Names, part: string, own: OwnImage): Promise<string> {
  const image = `${names.of(part)}:${own.hash}`;
  await removeOthers(engine, names, part, image);
  if (await engine.find(`/images/${image}/json`)) return image;
  const labels = Object.entries(names.part(part)).map(([name, value]) => `LABEL ${name}=${value}`);
  await own.make(engine, image, labels.join("\n"));
  return image;
}

async function removeOthers(engine: Engine, names: Names, part: string, keep: string): Promise<void> {
  const query = { filters: names.filter(`${LABEL.part}=${part}`) };
  const images = await engine.ask<{ Id: string; RepoTags: string[] | null }[]>("GET", "/images/json", {
    query,
  });
  for (const { Id, RepoTags } of images)
    if (!RepoTags?.includes(keep)) await unlessUsed(engine, `/images/${Id}`);
}
