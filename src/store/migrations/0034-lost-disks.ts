/** Disks whose host is gone for good. */
import type { Migration } from "../migrate.ts";

export const lostDisks: Migration = {
  number: 34,
  name: "0034-lost-disks",
  statements: (text) => [`alter table disks add column lost_at ${text}`],
};
