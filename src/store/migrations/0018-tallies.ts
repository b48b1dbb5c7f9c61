/** Totals of what leaves no row behind. */
import type { Migration } from "../migrate.ts";

export const tallies: Migration = {
  number: 18,
  name: "0018-tallies",
  statements: (text) => [
    `create table tallies (
      name ${text} not null,
      label ${text} not null,
      total integer not null check (total > 0),
      primary key (name, label)
    )`,
  ],
};
