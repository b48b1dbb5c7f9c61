/** Who linked a login to a user, with which token, and what the provider called them then. */
import type { Migration } from "../migrate.ts";

export const identityMakers: Migration = {
  number: 29,
  name: "0029-identity-makers",
  statements: (text) => [
    `alter table identities add column name ${text}`,
    `alter table identities add column made_by ${text}`,
    `alter table identities add column made_with ${text}`,
    `create index identities_by_maker on identities (made_with) where made_with is not null`,
  ],
};
