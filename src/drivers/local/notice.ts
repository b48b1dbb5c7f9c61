/** Telling the users of a pod something: a line in each of its terminals, and a file in its home. */
import { chown, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { NOTICE_FILE } from "../driver.ts";
import { control, readIfThere, writeWhole } from "./pod-dir.ts";
import { writeToTerminal } from "./terminals.ts";

/** Tells it unless it was told last; an empty one is only taken away. Resolves with words when there is no file of it. */
export async function deliverNotice(
  dir: string,
  text: string,
  terminals: () => Promise<string[]>,
): Promise<string | undefined> {
  if (text === (await readIfThere(control(dir, "notice")))) return undefined;
  if (text !== "") {
    // Whatever mode a terminal is in: it begins on a line of its own, and ends there.
    const lines = `\r\n${text.replaceAll("\n", "\r\n")}\r\n`;
    await Promise.all((await terminals()).map((terminal) => writeToTerminal(terminal, lines)));
  }
  try {
    await writeWhole(control(dir, "notice"), text, 0o644);
    await intoHome(dir, text);
    return undefined;
  } catch (error) {
    // A full disk, or something of the user's in its place, is no reason to tell the terminals again.
    return error instanceof Error ? error.message : String(error);
  }
}

/** The home belongs to the user, who may have put a link there: the file is made out of his reach and renamed, which follows none. */
async function intoHome(dir: string, text: string): Promise<void> {
  const target = join(dir, "home", NOTICE_FILE);
  if (text === "") return rm(target, { force: true });
  const made = control(dir, NOTICE_FILE);
  await writeWhole(made, `${text}\n`, 0o644);
  const { uid, gid } = await stat(join(dir, "home"));
  await chown(made, uid, gid);
  await rename(made, target);
}
