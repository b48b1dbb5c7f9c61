/** What the agent's container is made of: our own two programs, Node, and what they run, taken from this machine (docker/tools.ts). */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { once } from "../docker/once.ts";
import { type TarEntry, tarOf } from "../docker/tar.ts";
import { collect, program, TOOLS, type Tools } from "../docker/tools.ts";

const PROGRAMS = "bash chmod cp flock nice rm sleep sync true".split(" ");
const AGENT = "disk-agent.js";
/** The worker is beside the agent, as in dist/. */
const BUNDLES = [AGENT, "disk-worker.js"];
const BUNDLED = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/" : "./", import.meta.url);

/** In the container: the agent with its directory of disks. */
export const DISKS = "/disks";
export const COMMAND = [`/bin/${basename(process.execPath)}`, `/agent/${AGENT}`, DISKS];

/** Named by what is in it: a server has no other agent than its own. Made once in the life of a process. */
export const agentImage = once(async (): Promise<Pick<Tools, "hash" | "archive">> => {
  const programs = await Promise.all(PROGRAMS.map(program));
  const files = await collect([process.execPath, ...programs]);
  const bundles = await Promise.all(BUNDLES.map((name) => readFile(new URL(name, BUNDLED))));
  const entries: TarEntry[] = [
    ...["agent/", "bin/", "disks/", `${TOOLS.slice(1)}/lib/`].map((path) => ({ path, mode: 0o755 })),
    ...[...files].map(([path, data]) => ({ path: placeOf(path), mode: 0o755, data })),
    ...bundles.map((data, i) => ({ path: `agent/${BUNDLES[i]}`, mode: 0o644, data })),
    { path: "agent/package.json", mode: 0o644, data: '{"type":"module"}' },
  ];
  const archive = tarOf(entries);
  return { hash: createHash("sha256").update(archive).digest("hex").slice(0, 16), archive };
});

/** Programs are where they are looked for; libraries are where the programs look for them. */
const placeOf = (path: string): string => (path.startsWith("bin/") ? path : `${TOOLS.slice(1)}/${path}`);
