/** On which machine a disk is, where not all nodes have the same disks. */
import type { Migration } from "../migrate.ts";

export const diskHosts: Migration = {
  number: 27,
  name: "0027-disk-hosts",
  statements: (text) => [
    `alter table disks add column host ${text}`,
    `alter table capacity add column host ${text}`,
  ],
};
