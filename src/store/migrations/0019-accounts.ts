/** What a token is good for and when it was used, and users who are disabled. */
import type { Migration } from "../migrate.ts";

export const accounts: Migration = {
  number: 19,
  name: "0019-accounts",
  statements: (text) => [
    `alter table users add column disabled_at ${text}`,
    // An older server beside this one makes tokens of pods, which their reservation bounds, and its own administrator's.
    `alter table tokens add column scope ${text} not null default 'admin'
      check (scope in ('user', 'admin', 'metrics', 'reservation', 'pod'))`,
    `update tokens set scope = 'user' where user_id in (select id from users where role = 'user')`,
    `update tokens set scope = 'pod' where reservation_id is not null`,
    `alter table tokens add column prefix ${text} not null default ''`,
    `alter table tokens add column last_used_at ${text}`,
    `alter table tokens add column rotated_at ${text}`,
  ],
};
