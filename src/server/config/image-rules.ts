/** What the configuration says of images, as a driver needs it. */
import { readFile } from "node:fs/promises";
import { Problem } from "../../api/errors.ts";
import type { ImageFile } from "./images.ts";

interface Bounds {
  readonly timeMaxS: number;
  readonly memory: number;
  readonly cpus: number;
  readonly pids: number;
  readonly imageMax: number;
}

/** Password files are read each time, so that they may be changed while the server runs. */
export function imageRules(usual: Bounds, { registries = {}, build = {} }: ImageFile = {}) {
  return {
    async logins() {
      const all = Object.entries(registries).map(async ([host, { username, password_file: file }]) => {
        const password = (await readFile(file, "utf8").catch((cause) => unreadable(host, cause))).trimEnd();
        return [host, { username, password }] as const;
      });
      return Object.fromEntries(await Promise.all(all));
    },
    build: {
      network: build.network,
      timeMaxS: build.time_max ?? usual.timeMaxS,
      memory: build.memory ?? usual.memory,
      cpus: build.cpus ?? usual.cpus,
      pids: build.pids ?? usual.pids,
      imageMax: build.image_max ?? usual.imageMax,
    },
  };
}

/** Users read it, and need not know where the file is. */
function unreadable(host: string, cause: NodeJS.ErrnoException): never {
  throw new Problem("unavailable", `the server's password for ${host} cannot be read (${cause.code})`, {
    cause,
  });
}
