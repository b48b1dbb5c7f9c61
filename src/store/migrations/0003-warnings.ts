/** Which warning before its end a reservation has had. */
import type { Migration } from "../migrate.ts";

export const warnings: Migration = {
  number: 3,
  name: "0003-warnings",
  statements: () => [`alter table reservations add column warned_s integer check (warned_s > 0)`],
};
