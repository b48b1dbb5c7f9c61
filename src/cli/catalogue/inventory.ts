/** Commands about GPUs and disks. */
import { type Entry, INVENTORY } from "./entry.ts";

export const inventory = [
  {
    path: "avail",
    summary: "Show what is free, by GPU type",
    group: INVENTORY,
    load: async () => (await import("../commands/avail.ts")).command,
  },
  {
    path: "status",
    summary: "Show the server's health and its GPUs",
    group: INVENTORY,
    load: async () => (await import("../commands/status.ts")).command,
  },
  {
    path: "disk create",
    summary: "Create a disk, whose files stay",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/create.ts")).command,
  },
  {
    path: "disk list",
    aliases: ["ls"],
    summary: "List your disks",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/list.ts")).command,
  },
  {
    path: "disk show",
    summary: "Show a disk, and what was done with it",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/show.ts")).command,
  },
  {
    path: "disk contents",
    summary: "List what is on a disk, as of a snapshot",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/contents.ts")).command,
  },
  {
    path: "disk snapshot",
    summary: "Keep what is on a disk now",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/snapshot.ts")).command,
  },
  {
    path: "disk snapshots",
    summary: "List the snapshots of a disk",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/snapshots.ts")).command,
  },
  {
    path: "disk restore",
    summary: "Bring a snapshot back",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/restore.ts")).command,
  },
  {
    path: "disk clone",
    summary: "Make a second disk with the same on it",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/clone.ts")).command,
  },
  {
    path: "disk wait",
    summary: "Wait until what goes on with a disk is done",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/wait.ts")).command,
  },
  {
    path: "disk rename",
    summary: "Rename a disk",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/rename.ts")).command,
  },
  {
    path: "disk resize",
    summary: "Change the size of a disk",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/resize.ts")).command,
  },
  {
    path: "disk edit",
    summary: "Change when snapshots are taken of a disk",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/edit.ts")).command,
  },
  {
    path: "disk delete",
    aliases: ["rm"],
    summary: "Delete a disk; it can be undone for 30 days",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/delete.ts")).command,
  },
  {
    path: "disk undelete",
    summary: "Bring a deleted disk back",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/undelete.ts")).command,
  },
  {
    path: "disk unlock",
    summary: "Take a disk from a reservation whose end hangs (administrators)",
    group: INVENTORY,
    load: async () => (await import("../commands/disk/unlock.ts")).command,
  },
] as const satisfies readonly Entry[];
