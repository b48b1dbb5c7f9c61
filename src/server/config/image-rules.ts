/** What the configuration says of images, as a driver needs it. */
import { readFile } from "node:fs/promises";
import { Problem } from "../../api/errors.ts";
import { registryHost } from "../../api/image-reference.ts";
import type { ImageFile } from "./images.ts";

interface Bounds {
  readonly timeMaxS: number;
  readonly memory: number;
  readonly cpus: number;
  readonly pids: number;
  readonly imageMax: number;
}

interface Pulls {
  readonly timeMaxS: number;
  readonly sizeMax: number;
  readonly freeMin: number;
  readonly patienceS: number;
  readonly keepS: number;
}

/** Password files are read each time, so that they may be changed while the server runs. */
export function imageRules(
  usual: { readonly build: Bounds; readonly pull: Pulls },
  { registries = {}, build = {}, pull = {}, allow = [] }: ImageFile = {},
) {
  return {
    async logins() {
      const all = Object.entries(registries).map(async ([host, { username, password_file: file }]) => {
        if (username === undefined || file === undefined) return [];
        const password = (await readFile(file, "utf8").catch((cause) => unreadable(host, cause))).trimEnd();
        return [[host, { username, password }] as const];
      });
      return Object.fromEntries((await Promise.all(all)).flat());
    },
    pull: {
      timeMaxS: pull.time_max ?? usual.pull.timeMaxS,
      sizeMax: pull.size_max ?? usual.pull.sizeMax,
      freeMin: pull.free_min ?? usual.pull.freeMin,
      patienceS: pull.patience ?? usual.pull.patienceS,
      keepS: pull.keep ?? usual.pull.keepS,
      known: new Set([...Object.keys(registries), ...allow.flatMap(hostIn)]),
    },
    build: {
      network: build.network,
      timeMaxS: build.time_max ?? usual.build.timeMaxS,
      memory: build.memory ?? usual.build.memory,
      cpus: build.cpus ?? usual.build.cpus,
      pids: build.pids ?? usual.build.pids,
      imageMax: build.image_max ?? usual.build.imageMax,
    },
  };
}

/** What a pattern of images says of their host; nothing where that may be anything. */
function hostIn(pattern: string): string[] {
  const host = registryHost(pattern.split("/")[0] ?? "");
  return pattern.includes("/") && host !== undefined ? [host] : [];
}

/** Users read it, and need not know where the file is. */
function unreadable(host: string, cause: NodeJS.ErrnoException): never {
  throw new Problem("unavailable", `the server's password for ${host} cannot be read (${cause.code})`, {
    cause,
  });
}
