/** Commands about reservations. */
import { type Entry, RESERVATIONS } from "./entry.ts";

export const reservations = [
  {
    path: "reserve",
    summary: "Reserve GPUs and wait until ssh works",
    group: RESERVATIONS,
    load: async () => (await import("../commands/reserve.ts")).command,
  },
  {
    path: "list",
    aliases: ["ls"],
    summary: "List your reservations",
    group: RESERVATIONS,
    load: async () => (await import("../commands/list.ts")).command,
  },
  {
    path: "show",
    summary: "Show a reservation and its history",
    group: RESERVATIONS,
    load: async () => (await import("../commands/show.ts")).command,
  },
  {
    path: "connect",
    aliases: ["ssh"],
    summary: "Open a shell in a reservation, or run a command there",
    group: RESERVATIONS,
    load: async () => (await import("../commands/connect.ts")).command,
  },
  {
    path: "cp",
    summary: "Copy files to and from reservations",
    group: RESERVATIONS,
    load: async () => (await import("../commands/cp.ts")).command,
  },
  {
    path: "forward",
    summary: "Open ports of a reservation on this machine",
    group: RESERVATIONS,
    load: async () => (await import("../commands/forward.ts")).command,
  },
  {
    path: "logs",
    summary: "Show what was said: its history, and its pod's lines",
    group: RESERVATIONS,
    load: async () => (await import("../commands/logs.ts")).command,
  },
  {
    path: "edit",
    summary: "Extend, rename or share a reservation",
    group: RESERVATIONS,
    load: async () => (await import("../commands/edit.ts")).command,
  },
  {
    path: "cancel",
    aliases: ["rm"],
    summary: "End reservations now and release their GPUs",
    group: RESERVATIONS,
    load: async () => (await import("../commands/cancel.ts")).command,
  },
] as const satisfies readonly Entry[];
