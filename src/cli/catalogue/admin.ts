/** Commands of administrators, and the server itself. */
import { ADMIN, type Entry } from "./entry.ts";

export const admin = [
  {
    path: "admin types",
    summary: "Show the catalogue of GPU types",
    group: ADMIN,
    load: async () => (await import("../commands/admin/types.ts")).command,
  },
  {
    path: "admin check",
    summary: "Compare the database with what the drivers report",
    group: ADMIN,
    load: async () => (await import("../commands/admin/check.ts")).command,
  },
  {
    path: "admin extend",
    summary: "Give a reservation a later end than its type allows",
    group: ADMIN,
    load: async () => (await import("../commands/admin/extend.ts")).command,
  },
  {
    path: "admin teams",
    summary: "Show the teams, and change who is in them",
    group: ADMIN,
    load: async () => (await import("../commands/admin/teams.ts")).command,
  },
  {
    path: "admin quotas",
    summary: "Show and set what users and teams may have",
    group: ADMIN,
    load: async () => (await import("../commands/admin/quotas.ts")).command,
  },
  {
    path: "admin nodes",
    summary: "Show the nodes, close one for what is new, or give up one that is gone",
    group: ADMIN,
    load: async () => (await import("../commands/admin/nodes.ts")).command,
  },
  {
    path: "admin users",
    summary: "Add users, disable them, and give them a role",
    group: ADMIN,
    load: async () => (await import("../commands/admin/users.ts")).command,
  },
  {
    path: "admin tokens",
    summary: "List, make and revoke the tokens of a user",
    group: ADMIN,
    load: async () => (await import("../commands/admin/tokens.ts")).command,
  },
  {
    path: "admin identities",
    summary: "Show and link the logins that lead to a user",
    group: ADMIN,
    load: async () => (await import("../commands/admin/identities.ts")).command,
  },
  {
    path: "admin audit",
    summary: "Show who did what, when and from where",
    group: ADMIN,
    load: async () => (await import("../commands/admin/audit.ts")).command,
  },
] as const satisfies readonly Entry[];
