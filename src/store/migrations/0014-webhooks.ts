/** Where the server posts what happens to a reservation, and what is still to be posted: written with the change that it tells of. */
import type { Migration } from "../migrate.ts";

export const webhooks: Migration = {
  number: 14,
  name: "0014-webhooks",
  statements: (text) => [
    `create table webhooks (
      reservation_id ${text} primary key references reservations (id),
      url ${text} not null,
      host ${text} not null,
      secret ${text} not null,
      last_error ${text}
    )`,
    `create table deliveries (
      id ${text} primary key,
      reservation_id ${text} not null references webhooks (reservation_id) on delete cascade,
      version integer not null,
      event ${text} not null,
      at ${text} not null,
      detail ${text},
      tries integer not null default 0 check (tries >= 0),
      next_try_at ${text} not null
    )`,
    `create index deliveries_due on deliveries (next_try_at)`,
    `create index deliveries_by_reservation on deliveries (reservation_id)`,
  ],
};
