/** What a pod is made of: images, contexts to build one from, and its owner's logins at registries. */
import type { Migration } from "../migrate.ts";

export const images: Migration = {
  number: 28,
  name: "0028-images",
  statements: (text) => [
    `create table registry_logins (
      user_id ${text} not null references users (id),
      host ${text} not null,
      username ${text} not null,
      sealed ${text} not null,
      created_at ${text} not null,
      primary key (user_id, host)
    )`,

    // Whole numbers, exact up to 2^53; a number on both engines, while pg sends a bigint as text.
    `create table builds (
      id ${text} primary key,
      owner_id ${text} not null references users (id),
      digest ${text} not null,
      dockerfile ${text} not null,
      bytes double precision not null check (bytes > 0),
      received double precision not null check (received >= 0 and received <= bytes),
      stored integer not null check (stored in (0, 1)),
      created_at ${text} not null,
      used_at ${text} not null,
      unique (owner_id, digest, dockerfile)
    )`,

    `alter table reservations add column image ${text}`,
    `alter table reservations add column build_id ${text}`,
    `alter table reservations add column entrypoint ${text} check (entrypoint = 'keep')`,
    `create index reservations_by_build on reservations (build_id) where build_id is not null`,
  ],
};
