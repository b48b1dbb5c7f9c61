/** Indexes of what every look for work asks: whose plan is out of date, and which types share GPUs. */
import type { Migration } from "../migrate.ts";

export const planIndexes: Migration = {
  number: 12,
  name: "0012-plan-indexes",
  statements: () => [
    `create index plan_changes_by_type on plan_changes (gpu_type)`,
    `create index capacity_slices on capacity (gpu_type, slice_of) where slice_of is not null`,
  ],
};
