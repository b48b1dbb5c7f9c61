/** When a reservation came to each phase of its life: what took how long. */
import type { Migration } from "../migrate.ts";

export const phases: Migration = {
  number: 5,
  name: "0005-phases",
  statements: (text) =>
    ["placed_at", "launched_at", "proved_at", "ending_at"].map(
      (column) => `alter table reservations add column ${column} ${text}`,
    ),
};
