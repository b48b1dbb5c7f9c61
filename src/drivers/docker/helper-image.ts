/**
 * Programs for pods and for the disks' agent out of an image that the operator names, in place of those of the server's machine: for
 * hosts with other processors, and for servers that are not on Linux. Our own code runs in containers of it, by the Node that it has,
 * and what it makes of them becomes images of the host.
 */
import { readFile } from "node:fs/promises";
import { agentFiles } from "../docker-disks/agent-image.ts";
import { LaunchRefused } from "../driver.ts";
import { type Engine, EngineError } from "./engine.ts";
import type { Ended } from "./exec.ts";
import { runHelper } from "./helper.ts";
import { architecture } from "./machine.ts";
import type { Names } from "./names.ts";
import { once } from "./once.ts";
import { hashOf, type OwnImage } from "./own-image.ts";
import type { Programs } from "./programs.ts";
import type { EngineInfo } from "./share.ts";
import { type TarEntry, tarOf } from "./tar.ts";
import { type SshdFacts, TOOLS_MOUNT } from "./tools.ts";

const BUNDLE = new URL(
  import.meta.url.endsWith(".ts") ? "../../../dist/take-tools.js" : "./take-tools.js",
  import.meta.url,
);
const TAKE = `${TOOLS_MOUNT}/take-tools.mjs`;
const LEAST_NODE = 24;
/** Older ones would not even say what they lack. */
const RUN = `
if (parseInt(process.versions.node) < ${LEAST_NODE}) {
  console.error("its Node is " + process.versions.node + ", and ${LEAST_NODE} or newer is needed");
  process.exit(1);
}
import("${TAKE}");`;

export interface HelperParts {
  readonly engine: Engine;
  readonly names: Names;
  /** As the configuration has it. */
  readonly ref: string;
  /** It is on the host from then on. Throws LaunchRefused, DriverError. */
  readonly find: () => Promise<{ readonly Id: string; readonly Architecture: string }>;
}

export function helperPrograms(parts: HelperParts): Programs {
  const image = once(() => fitting(parts));
  return {
    own: false,
    tools: once(async () => {
      const files = await takeFiles();
      const { stdout } = await run(parts, await image(), { files });
      const facts: SshdFacts = JSON.parse(stdout);
      return { ...facts, ...(await derived(parts, await image(), { files, words: ["take"] })) };
    }),
    agent: once(async () => derived(parts, await image(), { files: await agentFiles(), code: "0" })),
  };
}

/** Its id. */
async function fitting({ engine, ref, find }: HelperParts): Promise<string> {
  const { Id, Architecture } = await find();
  const its = architecture((await engine.ask<EngineInfo>("GET", "/info")).Architecture);
  if (architecture(Architecture) === its) return Id;
  throw new LaunchRefused(
    `the helper image ${ref} is for ${Architecture} there, and the host has ${its}: take it away, so that the right one is pulled`,
  );
}

const takeFiles = async (): Promise<TarEntry[]> => [
  { path: `${TOOLS_MOUNT.slice(1)}/`, mode: 0o755 },
  { path: TAKE.slice(1), mode: 0o644, data: await readFile(BUNDLE) },
];

interface Work {
  readonly files: readonly TarEntry[];
  readonly code?: string;
  readonly words?: readonly string[];
}

/** The image with these files, after that was done in a container of it. */
async function derived(parts: HelperParts, image: string, work: Work): Promise<OwnImage> {
  return {
    hash: await hashOf([...work.files, { path: image, mode: 0 }]),
    async make(engine, name, changes) {
      const [repo, tag] = [name.slice(0, name.lastIndexOf(":")), name.slice(name.lastIndexOf(":") + 1)];
      await run(parts, image, work, async (container) => {
        await engine.ask("POST", "/commit", { query: { container, repo, tag, changes }, body: {} });
      });
    },
  };
}

async function run(
  { engine, names, ref }: HelperParts,
  image: string,
  { files, code = RUN, words = [] }: Work,
  after?: (container: string) => Promise<void>,
): Promise<Ended> {
  const command = ["node", "--eval", code, ...words];
  const helper = { image, files: tarOf(files), command };
  const ended = await runHelper(engine, names, helper, after).catch((error: unknown) => {
    if (!(error instanceof EngineError) || !NO_NODE.test(error.message)) throw error;
    throw new LaunchRefused(`the helper image ${ref} has no node`, { cause: error });
  });
  if (ended.code === 0) return ended;
  throw new LaunchRefused(`the helper image ${ref}: ${ended.stderr.trim() || `it ended with ${ended.code}`}`);
}

const NO_NODE = /executable file (?:`node` )?not found|no such file/i;
