/** The first schema. Append-only: a change is a new file. */
import type { Migration } from "../migrate.ts";

export const first: Migration = {
  number: 1,
  name: "0001-first",
  statements: (text) => [
    `create table meta (key ${text} primary key, value ${text} not null)`,

    `create table users (
      id ${text} primary key,
      name ${text} not null unique,
      role ${text} not null check (role in ('user', 'admin')),
      created_at ${text} not null
    )`,

    `create table tokens (
      id ${text} primary key,
      user_id ${text} not null references users (id),
      hash ${text} not null unique,
      label ${text} not null,
      created_at ${text} not null,
      expires_at ${text},
      revoked_at ${text}
    )`,
    `create index tokens_by_user on tokens (user_id)`,

    `create table ssh_keys (
      id ${text} primary key,
      user_id ${text} not null references users (id),
      type ${text} not null,
      fingerprint ${text} not null,
      public_key ${text} not null,
      comment ${text} not null,
      created_at ${text} not null,
      unique (user_id, fingerprint)
    )`,

    `create table capacity (
      node ${text} not null,
      gpu_type ${text} not null,
      gpus_per_place integer not null check (gpus_per_place in (0, 1)),
      places integer not null check (places >= 0),
      healthy integer not null check (healthy in (0, 1)),
      simulated integer not null check (simulated in (0, 1)),
      max_duration_s integer not null check (max_duration_s > 0),
      seen_at ${text} not null,
      primary key (node, gpu_type)
    )`,

    `create table reservations (
      id ${text} primary key,
      seq integer not null unique,
      owner_id ${text} not null references users (id),
      name ${text},
      state ${text} not null check (state in ('queued', 'preparing', 'active', 'ending', 'expired', 'cancelled', 'failed')),
      state_since ${text} not null,
      reason ${text},
      gpu_type ${text} not null,
      gpu_count integer not null check (gpu_count >= 0),
      places integer not null check (places > 0),
      simulated integer not null check (simulated in (0, 1)),
      duration_s integer not null check (duration_s > 0),
      created_at ${text} not null,
      queue_deadline ${text} not null,
      preparing_deadline ${text},
      started_at ${text},
      ends_at ${text},
      ended_at ${text},
      end_state ${text} check (end_state in ('expired', 'cancelled', 'failed')),
      node ${text},
      isolation ${text},
      ssh_user ${text},
      host_key ${text},
      attempt integer not null,
      ssh_attempts integer not null,
      last_error ${text},
      ghost_since ${text},
      version integer not null,
      next_step_at ${text},
      leased_by ${text},
      leased_until ${text},
      check ((state in ('expired', 'cancelled', 'failed')) = (ended_at is not null)),
      check ((ended_at is null) = (next_step_at is not null)),
      check (state <> 'ending' or end_state is not null)
    )`,
    `create unique index reservations_live_name on reservations (owner_id, name) where name is not null and ended_at is null`,
    `create index reservations_by_owner on reservations (owner_id, seq)`,
    `create index reservations_live on reservations (owner_id, seq) where ended_at is null`,
    `create index reservations_due on reservations (next_step_at) where next_step_at is not null`,
    `create index reservations_queue on reservations (gpu_type, seq) where state = 'queued'`,

    `create table allocations (
      node ${text} not null,
      gpu_type ${text} not null,
      gpu_index integer not null check (gpu_index >= 0),
      reservation_id ${text} not null references reservations (id),
      primary key (node, gpu_type, gpu_index)
    )`,
    `create index allocations_by_reservation on allocations (reservation_id)`,
    `create index allocations_by_type on allocations (gpu_type)`,

    `create table secrets (
      reservation_id ${text} primary key references reservations (id),
      host_key ${text} not null,
      probe_key ${text} not null,
      probe_public ${text} not null
    )`,

    `create table events (
      reservation_id ${text} not null references reservations (id),
      version integer not null check (version > 0),
      at ${text} not null,
      type ${text} not null,
      state ${text} not null,
      detail ${text},
      primary key (reservation_id, version)
    )`,

    `create table audit (
      id ${text} primary key,
      at ${text} not null,
      actor ${text} not null,
      action ${text} not null,
      subject ${text} not null,
      detail ${text}
    )`,
    `create index audit_by_time on audit (at, id)`,

    `create table idempotency_keys (
      user_id ${text} not null references users (id),
      key ${text} not null,
      request_hash ${text} not null,
      reply ${text} not null,
      created_at ${text} not null,
      primary key (user_id, key)
    )`,
    `create index idempotency_keys_by_time on idempotency_keys (created_at)`,
  ],
};
