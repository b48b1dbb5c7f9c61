/** Operations by their end, so that old ones go. */
import type { Migration } from "../migrate.ts";

export const diskRetention: Migration = {
  number: 30,
  name: "0030-disk-retention",
  statements: () => [
    `create index disk_operations_by_end on disk_operations (finished_at) where finished_at is not null`,
  ],
};
