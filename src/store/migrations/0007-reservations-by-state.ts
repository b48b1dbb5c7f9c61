/** Counting all reservations that ever were, at each scrape of /metrics, reads this index and no row. */
import type { Migration } from "../migrate.ts";

export const reservationsByState: Migration = {
  number: 7,
  name: "0007-reservations-by-state",
  statements: () => [`create index reservations_by_state on reservations (state)`],
};
