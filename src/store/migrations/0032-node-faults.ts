/** Why a node is not healthy. */
import type { Migration } from "../migrate.ts";

export const nodeFaults: Migration = {
  number: 32,
  name: "0032-node-faults",
  statements: (text) => [`alter table capacity add column fault ${text}`],
};
