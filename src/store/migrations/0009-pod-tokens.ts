/** Tokens that are good for one reservation only: each pod has that of its own. */
import type { Migration } from "../migrate.ts";

export const podTokens: Migration = {
  number: 9,
  name: "0009-pod-tokens",
  statements: (text) => [
    `alter table tokens add column reservation_id ${text} references reservations (id)`,
    `create index tokens_of_reservations on tokens (reservation_id) where reservation_id is not null`,
  ],
};
