/** Options and arguments that several commands of disks have. */

import type { CreateDisk } from "../../api/disks.ts";
import { parseSize, SIZE_FORMS } from "../../api/size.ts";
import type { Argument, Option } from "../command.ts";
import { UsageError } from "../errors.ts";
import { duration } from "../options.ts";

export const diskArgument: Argument = {
  name: "disk",
  summary: "Name, id, or the first 4 or more characters of the id",
  required: true,
  completes: "disks",
};

/** Bytes of a size (C-26). */
export function size(given: string): number {
  const bytes = parseSize(given);
  if (bytes !== undefined && bytes > 0) return bytes;
  throw new UsageError(`${JSON.stringify(given)} is not a size; write ${SIZE_FORMS}`);
}

/** When snapshots are taken by themselves, as the API calls it. */
type Schedule = Pick<CreateDisk, "snapshot_policy" | "snapshot_every_s">;

const EVERY = "every=";
const WHEN: Readonly<Record<string, Schedule>> = {
  "on-end": { snapshot_policy: "on_end", snapshot_every_s: null },
  never: { snapshot_policy: "never", snapshot_every_s: null },
};
export const SNAPSHOT_FORMS = "on-end, every=6h or never";

export const snapshots: Option<Schedule | undefined> = {
  flags: "--snapshots <WHEN>",
  summary: `When one is taken by itself: ${SNAPSHOT_FORMS}; every=6h is also so often while a reservation runs with it`,
  completes: ["on-end", `${EVERY}6h`, "never"],
  parse(given) {
    if (given.startsWith(EVERY))
      return { snapshot_policy: "on_end", snapshot_every_s: duration(given.slice(EVERY.length)) };
    const known = WHEN[given];
    if (known) return known;
    throw new UsageError(`${JSON.stringify(given)} is none of ${SNAPSHOT_FORMS}`);
  },
};
