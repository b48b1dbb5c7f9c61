/** The processes that serve this database, and the tokens that live no longer than one of them. */
import type { Migration } from "../migrate.ts";

export const servers: Migration = {
  number: 6,
  name: "0006-servers",
  statements: (text) => [
    `create table servers (
      name ${text} primary key,
      address ${text},
      started_at ${text} not null,
      seen_at ${text} not null,
      draining integer not null check (draining in (0, 1))
    )`,
    `alter table tokens add column server ${text}`,
    `alter table tokens add column replaced_at ${text}`,
    // Those of servers before this one.
    `update tokens set replaced_at = created_at where label = 'local'`,
    `create index tokens_of_servers on tokens (server) where server is not null`,
  ],
};
