/** Telling the users of a pod something: a line in each of its terminals, and a file in its home. */
import { randomUUID } from "node:crypto";
import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { NOTICE_FILE } from "../driver.ts";
import { homeOf } from "./disk.ts";
import { control, readIfThere, writeWhole } from "./pod-dir.ts";
import { writeToTerminal } from "./terminals.ts";

export const ABOUT = ["end", "idle"] as const;
export type About = (typeof ABOUT)[number];

/** Tells it unless it was told last about that; an empty one is only taken away. Resolves with words when there is no file of it. */
export async function deliverNotice(
  dir: string,
  about: About,
  text: string,
  terminals: () => Promise<string[]>,
): Promise<string | undefined> {
  const last = control(dir, `notice-${about}`);
  if (text === (await readIfThere(last))) return undefined;
  if (text !== "") {
    // Whatever mode a terminal is in: it begins on a line of its own, and ends there.
    const lines = `\r\n${text.replaceAll("\n", "\r\n")}\r\n`;
    await Promise.all((await terminals()).map((terminal) => writeToTerminal(terminal, lines)));
  }
  try {
    await writeWhole(last, text, 0o644);
    await intoHome(dir);
    return undefined;
  } catch (error) {
    // A full disk, or something of the user's in its place, is no reason to tell the terminals again.
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * All that was told and not taken back. The home belongs to the user, who may have put a link there: the file is made under a name
 * that nobody knows, which follows no link, is given away by its handle, and is renamed, which follows none either.
 */
async function intoHome(dir: string): Promise<void> {
  const home = await homeOf(dir);
  const target = join(home, NOTICE_FILE);
  const told = await Promise.all(ABOUT.map((about) => readIfThere(control(dir, `notice-${about}`))));
  const text = told.filter(Boolean).join("\n");
  if (text === "") return rm(target, { force: true });
  const { uid, gid } = await stat(home);
  const made = join(home, `.${NOTICE_FILE}.${randomUUID()}`);
  const file = await open(made, "wx", 0o644);
  try {
    await file.writeFile(`${text}\n`);
    await file.chmod(0o644);
    await file.chown(uid, gid);
    await rename(made, target);
  } catch (error) {
    await rm(made, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}
