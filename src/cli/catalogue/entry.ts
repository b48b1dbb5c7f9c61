/** What the list of commands has of each, and the groups that the root help shows. */
import type { Command } from "../command.ts";

export interface Entry {
  /** The words that call it: `list`, `disk list`. */
  readonly path: string;
  readonly aliases?: readonly string[];
  readonly summary: string;
  readonly group: string;
  load(): Promise<Command>;
}

export const RESERVATIONS = "Reservations:";
export const INVENTORY = "GPUs and disks:";
export const SETUP = "Set-up:";
export const ADMIN = "Administration:";
