/** What the plan needs to keep its word: where it put everybody, what was promised, and what changed since it was made. */
import type { Migration } from "../migrate.ts";

export const promises: Migration = {
  number: 2,
  name: "0002-promises",
  statements: (text) => [
    `alter table reservations add column priority ${text} not null default 'normal' check (priority in ('low', 'normal', 'high'))`,
    `alter table reservations add column node_count integer not null default 1 check (node_count > 0)`,
    `alter table reservations add column not_before ${text}`,
    `alter table reservations add column planned_start_at ${text}`,
    `alter table reservations add column planned_nodes ${text}`,
    `alter table reservations add column promised_start_at ${text}`,
    `create index reservations_planned on reservations (planned_start_at) where state = 'queued'`,

    // A row for each change since the plan of a type was made. Only ever added beside a change, so that writers never wait
    // for each other, and taken away by who plans.
    `create table plan_changes (
      id ${text} primary key,
      gpu_type ${text} not null
    )`,

    `create table usage (
      user_id ${text} primary key references users (id),
      gpu_seconds integer not null check (gpu_seconds >= 0),
      as_of ${text} not null
    )`,
  ],
};
