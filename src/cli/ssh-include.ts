/** The one line of ours in the user's ~/.ssh/config (C-22). */
import { join, relative } from "node:path";

export const userSshConfig = (homedir: string): string => join(homedir, ".ssh", "config");

/** The line; a path below the home directory is written with `~`, so that it survives a moved home. */
export function includeLine(homedir: string, file: string): string {
  const below = relative(homedir, file);
  const path = below.startsWith("..") ? file : `~/${below}`;
  return /\s/.test(path) ? `Include "${path}"` : `Include ${path}`;
}
