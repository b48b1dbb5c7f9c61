/** Teams, quotas, and the reservations that wait for room in one. */
import type { Migration } from "../migrate.ts";

export const quotas: Migration = {
  number: 22,
  name: "0022-quotas",
  statements: (text) => [
    `create table teams (id ${text} primary key, name ${text} not null unique, created_at ${text} not null)`,

    `create table team_members (
      user_id ${text} primary key references users (id),
      team_id ${text} not null references teams (id),
      since ${text} not null
    )`,
    `create index team_members_by_team on team_members (team_id)`,

    // Whole numbers, exact up to 2^53; a number on both engines, while pg sends a bigint as text.
    `create table quotas (
      kind ${text} not null check (kind in ('default', 'user', 'team')),
      subject ${text} not null,
      gpus integer check (gpus >= 0),
      gpu_seconds double precision check (gpu_seconds >= 0),
      max_duration_s integer check (max_duration_s > 0),
      gpu_types ${text},
      primary key (kind, subject),
      check ((kind = 'default') = (subject = ''))
    )`,

    `alter table reservations add column waits_for_quota integer not null default 0
      check (waits_for_quota = 0 or (waits_for_quota = 1 and state = 'queued'))`,
    `create index reservations_for_quota on reservations (seq) where waits_for_quota = 1`,
    `create index reservations_over on reservations (owner_id, ended_at) where ended_at is not null`,
  ],
};
