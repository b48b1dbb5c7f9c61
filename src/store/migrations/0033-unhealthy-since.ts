/** Since when a node's offer is not healthy. */
import type { Migration } from "../migrate.ts";

export const unhealthySince: Migration = {
  number: 33,
  name: "0033-unhealthy-since",
  statements: (text) => [`alter table capacity add column unhealthy_since ${text}`],
};
