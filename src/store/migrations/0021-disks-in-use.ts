/** Snapshots while a disk is in use, and of what a restore replaces. */
import type { Migration } from "../migrate.ts";

export const disksInUse: Migration = {
  number: 21,
  name: "0021-disks-in-use",
  statements: (text) => [
    `alter table disks add column snapshot_every_s integer check (snapshot_every_s > 0)`,
    `alter table snapshots add column changing double precision check (changing >= 0)`,
    `alter table disk_operations add column kept_id ${text}`,
  ],
};
