/** Which snapshots nobody asked for one by one, and operations by their end, so that old ones go. */
import type { Migration } from "../migrate.ts";

export const diskRetention: Migration = {
  number: 30,
  name: "0030-disk-retention",
  statements: () => [
    `alter table snapshots add column periodic integer not null default 0 check (periodic in (0, 1))`,
    `create index disk_operations_by_end on disk_operations (finished_at) where finished_at is not null`,
  ],
};
