/** The last ssh login that the server tried: when, and why it failed. */
import type { Migration } from "../migrate.ts";

export const sshAttempts: Migration = {
  number: 17,
  name: "0017-ssh-attempts",
  statements: (text) => [
    `alter table reservations add column ssh_tried_at ${text}`,
    `alter table reservations add column ssh_cause ${text}`,
    `alter table reservations add column ssh_detail ${text}`,
  ],
};
