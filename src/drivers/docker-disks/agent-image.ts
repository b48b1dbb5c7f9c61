/** What the agent's container is made of: our own two programs, Node, and what they run, taken from this machine (docker/tools.ts). */
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { once } from "../docker/once.ts";
import { imageOfFiles, type OwnImage } from "../docker/own-image.ts";
import type { TarEntry } from "../docker/tar.ts";
import { collect, program, TOOLS } from "../docker/tools.ts";

const PROGRAMS = "bash chmod cp flock nice rm sleep sync true".split(" ");
const AGENT = "disk-agent.js";
/** The worker is beside the agent, as in dist/. */
const BUNDLES = [AGENT, "disk-worker.js"];
const BUNDLED = new URL(import.meta.url.endsWith(".ts") ? "../../../dist/" : "./", import.meta.url);

/**
 * The first process of the container: work that is broken off leaves processes that become its children, and Node would keep them as
 * zombies until there are too many.
 */
const FIRST = `trap 'exit 143' TERM
"$@" <&0 &
wait "$!"`;
/** In the container: the agent with its directory of disks. */
export const DISKS = "/disks";
export const COMMAND = ["bash", "-c", FIRST, "agent", "node", `/agent/${AGENT}`, DISKS];

/** Made once in the life of a process: a server has no other agent than its own. */
export const ownAgent = once(
  (): Promise<OwnImage> =>
    imageOfFiles(async () => {
      const programs = await Promise.all(PROGRAMS.map((name) => program(name)));
      const files = await collect([process.execPath, ...programs]);
      return [
        ...["bin/", `${TOOLS.slice(1)}/lib/`].map((path) => ({ path, mode: 0o755 })),
        ...[...files].map(([path, data]) => ({ path: placeOf(path), mode: 0o755, data })),
        ...(await agentFiles()),
      ];
    }),
);

/** What is not taken from a machine. */
export async function agentFiles(): Promise<TarEntry[]> {
  const bundles = await Promise.all(BUNDLES.map((name) => readFile(new URL(name, BUNDLED))));
  return [
    ...["agent/", "disks/"].map((path) => ({ path, mode: 0o755 })),
    ...bundles.map((data, i) => ({ path: `agent/${BUNDLES[i]}`, mode: 0o644, data })),
    { path: "agent/package.json", mode: 0o644, data: '{"type":"module"}' },
  ];
}

/** Throws LaunchRefused where the agent would lack a program. */
export const requireAgentPrograms = (where: string) =>
  Promise.all(PROGRAMS.map((name) => program(name, where)));

/** Programs are where they are looked for; libraries are where the programs look for them. */
function placeOf(path: string): string {
  if (path === `bin/${basename(process.execPath)}`) return "bin/node";
  return path.startsWith("bin/") ? path : `${TOOLS.slice(1)}/${path}`;
}
