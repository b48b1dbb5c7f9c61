/** The list of commands: what the root help says of each, and how to load it when it is called. */
import { admin } from "./catalogue/admin.ts";
import { ADMIN, type Entry, INVENTORY, SETUP } from "./catalogue/entry.ts";
import { inventory } from "./catalogue/inventory.ts";
import { reservations } from "./catalogue/reservations.ts";
import { setup } from "./catalogue/setup.ts";

const entries = [...reservations, ...inventory, ...setup, ...admin] as const;

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
