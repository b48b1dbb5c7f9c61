/** Whom providers of logins know as whom, and logins that were begun. */
import type { Migration } from "../migrate.ts";

export const logins: Migration = {
  number: 23,
  name: "0023-logins",
  statements: (text) => [
    `create table identities (
      provider ${text} not null,
      subject ${text} not null,
      user_id ${text} not null references users (id),
      created_at ${text} not null,
      primary key (provider, subject)
    )`,
    `create index identities_of_users on identities (user_id)`,
    `create table logins (
      hash ${text} primary key,
      kind ${text} not null check (kind in ('oidc', 'github', 'aws')),
      device_code ${text},
      interval_s integer not null,
      next_poll_at ${text} not null,
      expires_at ${text} not null
    )`,
    `create index logins_by_expiry on logins (expires_at)`,
  ],
};
