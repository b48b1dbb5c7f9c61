/** Who made a token, with which other one, and when it and all that takes its place must have ended. */
import type { Migration } from "../migrate.ts";

export const tokenMakers: Migration = {
  number: 26,
  name: "0026-token-makers",
  statements: (text) => [
    `alter table tokens add column made_by ${text}`,
    // No reference: what an administrator's token made may be kept for longer than that one.
    `alter table tokens add column made_with ${text}`,
    `alter table tokens add column ends_by ${text}`,
    `create index tokens_by_maker on tokens (made_with) where made_with is not null`,
  ],
};
