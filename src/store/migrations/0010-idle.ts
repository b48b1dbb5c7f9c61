/** Since when nobody has used a reservation, and when that was said. */
import type { Migration } from "../migrate.ts";

export const idle: Migration = {
  number: 10,
  name: "0010-idle",
  statements: (text) => [
    `alter table reservations add column idle_since ${text}`,
    `alter table reservations add column idle_warned_at ${text}`,
  ],
};
