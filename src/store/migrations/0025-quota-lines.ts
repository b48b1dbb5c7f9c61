/** Who waits for room in a quota, owner by owner. */
import type { Migration } from "../migrate.ts";

export const quotaLines: Migration = {
  number: 25,
  name: "0025-quota-lines",
  statements: () => [
    `create index reservations_for_quota_by_owner on reservations (owner_id, seq) where waits_for_quota = 1`,
  ],
};
