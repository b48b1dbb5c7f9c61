/** The tunnels that are open, each with the server that carries it: what a killed one had, and who has how many. */
import type { Migration } from "../migrate.ts";

export const openTunnels: Migration = {
  number: 13,
  name: "0013-open-tunnels",
  statements: (text) => [
    `create table open_tunnels (
      session ${text} primary key,
      server ${text} not null,
      user_id ${text} not null,
      reservation_id ${text} not null,
      node integer not null,
      port integer not null,
      remote_address ${text} not null,
      opened_at ${text} not null
    )`,
    `create index open_tunnels_by_user on open_tunnels (user_id)`,
    `create index open_tunnels_by_reservation on open_tunnels (reservation_id)`,
  ],
};
