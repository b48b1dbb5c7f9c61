/** What a change of a plan is about, and whose plan of a type is the last one. */
import type { Migration } from "../migrate.ts";

export const planChanges: Migration = {
  number: 16,
  name: "0016-plan-changes",
  statements: (text) => [
    `alter table plan_changes add column about ${text} not null default 'all'
      check (about in ('all', 'node', 'reservation', 'more'))`,
    `alter table plan_changes add column name ${text}`,
    `create table plans (gpu_type ${text} primary key, stamp ${text} not null)`,
  ],
};
