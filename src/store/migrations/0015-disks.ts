/** Disks, their snapshots, what is done with them, and the reservation that has one. */
import type { Migration } from "../migrate.ts";

/** Whole bytes, exact up to 2^53; a number on both engines, while pg sends a bigint as text. */
const bytes = "double precision";

export const disks: Migration = {
  number: 15,
  name: "0015-disks",
  statements: (text) => [
    `create table disks (
      id ${text} primary key,
      owner_id ${text} not null references users (id),
      name ${text} not null,
      volume ${text} not null unique,
      state ${text} not null check (state in ('creating', 'ready', 'gone')),
      size_bytes ${bytes} not null check (size_bytes > 0),
      used_bytes ${bytes} check (used_bytes >= 0),
      used_at ${text},
      snapshot_policy ${text} not null check (snapshot_policy in ('on_end', 'never')),
      last_used_at ${text},
      last_snapshot_id ${text},
      last_snapshot_at ${text},
      created_at ${text} not null,
      deleted_at ${text},
      purge_at ${text},
      version integer not null,
      check ((deleted_at is null) = (purge_at is null)),
      check (state <> 'gone' or deleted_at is not null)
    )`,
    `create unique index disks_live_name on disks (owner_id, name) where deleted_at is null`,
    `create index disks_by_owner on disks (owner_id, name, id)`,
    `create index disks_to_purge on disks (purge_at) where deleted_at is not null and state <> 'gone'`,

    `create table snapshots (
      id ${text} primary key,
      disk_id ${text} not null references disks (id),
      state ${text} not null check (state in ('taking', 'ready', 'leaving')),
      note ${text},
      reservation_id ${text} references reservations (id),
      used_bytes ${bytes} check (used_bytes >= 0),
      files ${bytes} check (files >= 0),
      created_at ${text} not null,
      taken_at ${text},
      check ((state = 'taking') = (taken_at is null))
    )`,
    `create index snapshots_by_disk on snapshots (disk_id, created_at, id)`,
    `create index snapshots_leaving on snapshots (id) where state = 'leaving'`,

    `create table disk_operations (
      id ${text} primary key,
      kind ${text} not null check (kind in ('create', 'snapshot', 'restore', 'clone', 'resize', 'purge', 'measure')),
      disk_id ${text} not null references disks (id),
      new_disk_id ${text} references disks (id),
      locked_id ${text} not null references disks (id),
      snapshot_id ${text},
      volume ${text},
      size_bytes ${bytes},
      done_bytes ${bytes} not null,
      total_bytes ${bytes},
      outcome ${text} check (outcome in ('done', 'failed')),
      error ${text},
      attempts integer not null,
      created_at ${text} not null,
      started_at ${text},
      finished_at ${text},
      next_step_at ${text},
      leased_by ${text},
      leased_until ${text},
      check ((finished_at is null) = (next_step_at is not null)),
      check (finished_at is null or outcome is not null)
    )`,
    // One at a time for each disk, whatever its kind.
    `create unique index disk_operations_open on disk_operations (locked_id) where finished_at is null`,
    `create index disk_operations_due on disk_operations (next_step_at) where next_step_at is not null`,
    `create index disk_operations_by_disk on disk_operations (disk_id, created_at, id)`,
    `create index disk_operations_by_new_disk on disk_operations (new_disk_id) where new_disk_id is not null`,

    `alter table reservations add column disk_id ${text} references disks (id)`,
    `alter table reservations add column disk_held integer not null default 0
      check (disk_held = 0 or (disk_held = 1 and disk_id is not null and ended_at is null))`,
    // One holder at a time.
    `create unique index reservations_disk on reservations (disk_id) where disk_held = 1`,
  ],
};
