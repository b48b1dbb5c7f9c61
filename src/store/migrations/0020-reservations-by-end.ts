/** An index for lists that are sorted by their end. */
import type { Migration } from "../migrate.ts";

export const reservationsByEnd: Migration = {
  number: 20,
  name: "0020-reservations-by-end",
  statements: () => [
    `create index reservations_by_end on reservations (owner_id, (coalesce(ends_at, '~') || ' ' || id))`,
  ],
};
