/** Who may come into a reservation's pods beside its owner. */
import type { Migration } from "../migrate.ts";

export const collaborators: Migration = {
  number: 8,
  name: "0008-collaborators",
  statements: (text) => [
    `create table collaborators (
      reservation_id ${text} not null references reservations (id),
      kind ${text} not null check (kind in ('user', 'github')),
      name ${text} not null,
      user_id ${text} references users (id),
      public_keys ${text} not null,
      added_at ${text} not null,
      primary key (reservation_id, kind, name),
      check ((kind = 'user') = (user_id is not null))
    )`,
    `create index collaborators_by_user on collaborators (user_id, reservation_id) where user_id is not null`,
    `alter table reservations add column keys_stale integer not null default 0 check (keys_stale in (0, 1))`,
  ],
};
