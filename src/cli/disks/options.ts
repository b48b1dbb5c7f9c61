/** Options and arguments that several commands of disks have. */

import type { Disk } from "../../api/disks.ts";
import { parseSize, SIZE_FORMS } from "../../api/size.ts";
import type { Argument, Option } from "../command.ts";
import { UsageError } from "../errors.ts";
import { choice } from "../options.ts";
import { SNAPSHOT_WORDS } from "../output/disk.ts";

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

const when = choice(
  "--snapshots <WHEN>",
  "When a snapshot is taken by itself: after each reservation, or not",
  Object.values(SNAPSHOT_WORDS),
);

/** The policy as the API calls it. */
export const policy: Option<Disk["snapshot_policy"] | undefined> = {
  flags: when.flags,
  summary: when.summary,
  completes: Object.values(SNAPSHOT_WORDS),
  parse: (given) => (when.parse?.(given, undefined) === SNAPSHOT_WORDS.never ? "never" : "on_end"),
};
