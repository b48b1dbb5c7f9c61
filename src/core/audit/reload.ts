/** The entry of a configuration that was read again. */
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { record } from "./record.ts";

/** Keys by their names, since some of their values nobody should read; `restart` are those that wait for one. */
export interface Reload {
  readonly server: string;
  readonly changed: readonly string[];
  readonly restart: readonly string[];
}

/** By whomever the signal was sent: the system does not tell. */
export function recordReload({ store }: Core, file: string, reload: Reload): Promise<void> {
  return store.write((tx) => record(tx, SYSTEM, "config.reload", file, JSON.stringify(reload)));
}
