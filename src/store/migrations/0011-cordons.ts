/** Nodes that get nothing new, because an administrator says so; they outlive what the driver reports. */
import type { Migration } from "../migrate.ts";

export const cordons: Migration = {
  number: 11,
  name: "0011-cordons",
  statements: (text) => [
    `create table cordons (
      node ${text} primary key,
      since ${text} not null,
      by_user ${text} not null references users (id)
    )`,
  ],
};
