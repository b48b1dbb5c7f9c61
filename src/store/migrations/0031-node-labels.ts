/** Labels of nodes, and those that a reservation asks for; JSON objects. */
import type { Migration } from "../migrate.ts";

export const nodeLabels: Migration = {
  number: 31,
  name: "0031-node-labels",
  statements: (text) => [
    `alter table capacity add column labels ${text}`,
    `alter table reservations add column node_labels ${text}`,
  ],
};
