/** The list of commands: what the root help says of each, and how to load it when it is called. */
import type { Command } from "./command.ts";

export interface Entry {
  /** The words that call it: `list`, `disk list`. */
  readonly path: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group: string;
  load(): Promise<Command>;
}

const RESERVATIONS = "Reservations:";
const INVENTORY = "GPUs and disks:";
const SETUP = "Set-up:";
const ADMIN = "Administration:";

const entries = [
  {
    path: "reserve",
    summary: "Reserve GPUs and wait until ssh works",
    group: RESERVATIONS,
    load: async () => (await import("./commands/reserve.ts")).command,
  },
  {
    path: "list",
    aliases: ["ls"],
    summary: "List your reservations",
    group: RESERVATIONS,
    load: async () => (await import("./commands/list.ts")).command,
  },
  {
    path: "show",
    summary: "Show a reservation and its history",
    group: RESERVATIONS,
    load: async () => (await import("./commands/show.ts")).command,
  },
  {
    path: "connect",
    aliases: ["ssh"],
    summary: "Open a shell in a reservation, or run a command there",
    group: RESERVATIONS,
    load: async () => (await import("./commands/connect.ts")).command,
  },
  {
    path: "cp",
    summary: "Copy files to and from reservations",
    group: RESERVATIONS,
    load: async () => (await import("./commands/cp.ts")).command,
  },
  {
    path: "forward",
    summary: "Open ports of a reservation on this machine",
    group: RESERVATIONS,
    load: async () => (await import("./commands/forward.ts")).command,
  },
  {
    path: "logs",
    summary: "Show what was said: its history, and its pod's lines",
    group: RESERVATIONS,
    load: async () => (await import("./commands/logs.ts")).command,
  },
  {
    path: "edit",
    summary: "Extend, rename or share a reservation",
    group: RESERVATIONS,
    load: async () => (await import("./commands/edit.ts")).command,
  },
  {
    path: "cancel",
    aliases: ["rm"],
    summary: "End reservations now and release their GPUs",
    group: RESERVATIONS,
    load: async () => (await import("./commands/cancel.ts")).command,
  },
  {
    path: "avail",
    summary: "Show what is free, by GPU type",
    group: INVENTORY,
    load: async () => (await import("./commands/avail.ts")).command,
  },
  {
    path: "status",
    summary: "Show the server's health and its GPUs",
    group: INVENTORY,
    load: async () => (await import("./commands/status.ts")).command,
  },
  {
    path: "disk create",
    summary: "Create a disk, whose files stay",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/create.ts")).command,
  },
  {
    path: "disk list",
    aliases: ["ls"],
    summary: "List your disks",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/list.ts")).command,
  },
  {
    path: "disk show",
    summary: "Show a disk, and what was done with it",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/show.ts")).command,
  },
  {
    path: "disk contents",
    summary: "List what is on a disk, as of a snapshot",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/contents.ts")).command,
  },
  {
    path: "disk snapshot",
    summary: "Keep what is on a disk now",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/snapshot.ts")).command,
  },
  {
    path: "disk snapshots",
    summary: "List the snapshots of a disk",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/snapshots.ts")).command,
  },
  {
    path: "disk restore",
    summary: "Bring a snapshot back",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/restore.ts")).command,
  },
  {
    path: "disk clone",
    summary: "Make a second disk with the same on it",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/clone.ts")).command,
  },
  {
    path: "disk wait",
    summary: "Wait until what goes on with a disk is done",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/wait.ts")).command,
  },
  {
    path: "disk rename",
    summary: "Rename a disk",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/rename.ts")).command,
  },
  {
    path: "disk resize",
    summary: "Change the size of a disk",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/resize.ts")).command,
  },
  {
    path: "disk edit",
    summary: "Change when snapshots are taken of a disk",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/edit.ts")).command,
  },
  {
    path: "disk delete",
    aliases: ["rm"],
    summary: "Delete a disk; it can be undone for 30 days",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/delete.ts")).command,
  },
  {
    path: "disk undelete",
    summary: "Bring a deleted disk back",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/undelete.ts")).command,
  },
  {
    path: "disk unlock",
    summary: "Take a disk from a reservation whose end hangs (administrators)",
    group: INVENTORY,
    load: async () => (await import("./commands/disk/unlock.ts")).command,
  },
  {
    path: "server",
    summary: "Run a server on this machine",
    group: SETUP,
    load: async () => (await import("./commands/server.ts")).command,
  },
  {
    path: "login",
    summary: "Log in to a server",
    group: SETUP,
    load: async () => (await import("./commands/login.ts")).command,
  },
  {
    path: "logout",
    summary: "Forget a server and its token",
    group: SETUP,
    load: async () => (await import("./commands/logout.ts")).command,
  },
  {
    path: "context list",
    aliases: ["ls"],
    summary: "List the servers that you know",
    group: SETUP,
    load: async () => (await import("./commands/context/list.ts")).command,
  },
  {
    path: "context use",
    summary: "Choose the server that is meant from now on",
    group: SETUP,
    load: async () => (await import("./commands/context/use.ts")).command,
  },
  {
    path: "whoami",
    summary: "Show who you are to the server, and your quotas",
    group: SETUP,
    load: async () => (await import("./commands/whoami.ts")).command,
  },
  {
    path: "keys list",
    aliases: ["ls"],
    summary: "List your ssh keys",
    group: SETUP,
    load: async () => (await import("./commands/keys/list.ts")).command,
  },
  {
    path: "keys add",
    summary: "Register another ssh key",
    group: SETUP,
    load: async () => (await import("./commands/keys/add.ts")).command,
  },
  {
    path: "keys remove",
    aliases: ["rm"],
    summary: "Forget an ssh key",
    group: SETUP,
    load: async () => (await import("./commands/keys/remove.ts")).command,
  },
  {
    path: "token list",
    aliases: ["ls"],
    summary: "List your tokens",
    group: SETUP,
    load: async () => (await import("./commands/token/list.ts")).command,
  },
  {
    path: "token create",
    summary: "Make a token for a script or a machine",
    group: SETUP,
    load: async () => (await import("./commands/token/create.ts")).command,
  },
  {
    path: "token rotate",
    summary: "Make a token in place of another",
    group: SETUP,
    load: async () => (await import("./commands/token/rotate.ts")).command,
  },
  {
    path: "token revoke",
    aliases: ["rm"],
    summary: "Make a token good for nothing",
    group: SETUP,
    load: async () => (await import("./commands/token/revoke.ts")).command,
  },
  {
    path: "doctor",
    summary: "Look for what is wrong between here and your pods",
    group: SETUP,
    load: async () => (await import("./commands/doctor.ts")).command,
  },
  {
    path: "config show",
    summary: "Show the settings and where each comes from",
    group: SETUP,
    load: async () => (await import("./commands/config/show.ts")).command,
  },
  {
    path: "config get",
    summary: "Print one setting",
    group: SETUP,
    load: async () => (await import("./commands/config/get.ts")).command,
  },
  {
    path: "config set",
    summary: "Set what `reserve` takes when a flag is not given",
    group: SETUP,
    load: async () => (await import("./commands/config/set.ts")).command,
  },
  {
    path: "config unset",
    summary: "Take a setting out",
    group: SETUP,
    load: async () => (await import("./commands/config/unset.ts")).command,
  },
  {
    path: "config path",
    summary: "Print where the settings are stored",
    group: SETUP,
    load: async () => (await import("./commands/config/path.ts")).command,
  },
  {
    path: "config edit",
    summary: "Open the settings in your editor",
    group: SETUP,
    load: async () => (await import("./commands/config/edit.ts")).command,
  },
  {
    path: "ssh-config install",
    summary: "Let plain ssh, scp and editors find your reservations",
    group: SETUP,
    load: async () => (await import("./commands/ssh-config/install.ts")).command,
  },
  {
    path: "ssh-config remove",
    summary: "Take our line out of ~/.ssh/config",
    group: SETUP,
    load: async () => (await import("./commands/ssh-config/remove.ts")).command,
  },
  {
    path: "ssh-config show",
    summary: "Print the ssh configuration of your reservations",
    group: SETUP,
    load: async () => (await import("./commands/ssh-config/show.ts")).command,
  },
  {
    path: "completion",
    summary: "Print the completion script of a shell",
    group: SETUP,
    load: async () => (await import("./commands/completion.ts")).command,
  },
  {
    path: "admin types",
    summary: "Show the catalogue of GPU types",
    group: ADMIN,
    load: async () => (await import("./commands/admin/types.ts")).command,
  },
  {
    path: "admin check",
    summary: "Compare the database with what the drivers report",
    group: ADMIN,
    load: async () => (await import("./commands/admin/check.ts")).command,
  },
  {
    path: "admin extend",
    summary: "Give a reservation a later end than its type allows",
    group: ADMIN,
    load: async () => (await import("./commands/admin/extend.ts")).command,
  },
  {
    path: "admin teams",
    summary: "Show the teams, and change who is in them",
    group: ADMIN,
    load: async () => (await import("./commands/admin/teams.ts")).command,
  },
  {
    path: "admin quotas",
    summary: "Show and set what users and teams may have",
    group: ADMIN,
    load: async () => (await import("./commands/admin/quotas.ts")).command,
  },
  {
    path: "admin nodes",
    summary: "Show the nodes, and close one for what is new",
    group: ADMIN,
    load: async () => (await import("./commands/admin/nodes.ts")).command,
  },
  {
    path: "admin users",
    summary: "Add users, disable them, and give them a role",
    group: ADMIN,
    load: async () => (await import("./commands/admin/users.ts")).command,
  },
  {
    path: "admin tokens",
    summary: "List, make and revoke the tokens of a user",
    group: ADMIN,
    load: async () => (await import("./commands/admin/tokens.ts")).command,
  },
  {
    path: "admin audit",
    summary: "Show who did what, when and from where",
    group: ADMIN,
    load: async () => (await import("./commands/admin/audit.ts")).command,
  },
] as const satisfies readonly Entry[];

/** The words of a command. */
export type CommandPath = (typeof entries)[number]["path"];

export type CatalogueEntry = Entry & { readonly path: CommandPath };

export const catalogue: readonly CatalogueEntry[] = entries;

/** Topics: the first word of commands of two words. */
export const topics: Readonly<Record<string, { readonly summary: string; readonly group: string }>> = {
  disk: { summary: "Your disks", group: INVENTORY },
  admin: { summary: "What administrators look at", group: ADMIN },
  keys: { summary: "Your ssh keys", group: SETUP },
  token: { summary: "Your tokens", group: SETUP },
  context: { summary: "The servers that you know", group: SETUP },
  config: { summary: "The settings of this command line", group: SETUP },
  "ssh-config": { summary: "The ssh configuration of your reservations", group: SETUP },
};

/** The names that an entry answers to: its path and its aliases, whole. */
export function names(entry: Entry): string[] {
  const topic = entry.path.includes(" ") ? `${entry.path.split(" ")[0]} ` : "";
  return [entry.path, ...(entry.aliases ?? []).map((alias) => topic + alias)];
}
