/** The one line of ours in the user's ~/.ssh/config (C-22). */
import { join, posix, resolve, win32 } from "node:path";
import type { Context } from "../context.ts";
import { flag, text } from "../options.ts";
import { hasLine } from "./foreign-file.ts";
import { sshConfigFile } from "./ssh-files.ts";

export const userSshConfig = (homedir: string): string => join(homedir, ".ssh", "config");

/**
 * The line; a path below the home directory is written with `~`, so that it survives a moved home. ssh reads a backslash as something
 * else, on Windows, too.
 */
export function includeLine(homedir: string, file: string, platform = process.platform): string {
  const isWindows = platform === "win32";
  const { relative, isAbsolute } = isWindows ? win32 : posix;
  const below = relative(homedir, file);
  const found = below.startsWith("..") || isAbsolute(below) ? file : `~/${below}`;
  const path = isWindows ? found.replaceAll("\\", "/") : found;
  return /\s/.test(path) ? `Include "${path}"` : `Include ${path}`;
}

/** Whether plain ssh knows the reservations, by the user's own configuration. */
export function isIncluded({ home, homedir }: Context): boolean {
  try {
    return hasLine(userSshConfig(homedir), includeLine(homedir, sshConfigFile(home.stateDir)));
  } catch {
    // What cannot be read tells ssh nothing either; `ssh-config install` says what is the matter.
    return false;
  }
}

/** What `ssh-config install` and `remove` share. */
export const includeOptions = {
  file: text(
    "--file <FILE>",
    "Another ssh configuration than ~/.ssh/config, such as an editor's own",
    "files",
  ),
  dryRun: flag("--dry-run", "Only say what would be done"),
};

/** The file that is meant. */
export const includedBy = ({ homedir }: Context, given: string | undefined): string =>
  given === undefined ? userSshConfig(homedir) : resolve(given.replace(/^~(?=[\\/]|$)/, homedir));
