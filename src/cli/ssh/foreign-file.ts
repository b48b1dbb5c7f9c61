/** One line of ours in another program's file: put in and taken out by write-and-rename, everything else as it was (C-22). */
import { chmod, lstat, mkdir, readFile, readlink, realpath, rename, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";

/** True when `line` stands in the file. */
export async function hasLine(file: string, line: string): Promise<boolean> {
  return lines(await readText(file)).some((known) => isLine(known, line));
}

/** Puts `line` into the file, first or last. False when it is there already, wherever. */
export async function addLine(file: string, line: string, place: "first" | "last"): Promise<boolean> {
  if (await hasLine(file, line)) return false;
  const text = await readText(file);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  await replace(file, place === "first" ? `${line}\n${text}` : `${text}${gap}${line}\n`);
  return true;
}

/** Takes `line` out, wherever it stands. False when it is not there. */
export async function removeLine(file: string, line: string): Promise<boolean> {
  const text = await readText(file);
  const kept = lines(text).filter((known) => !isLine(known, line));
  if (kept.length === lines(text).length) return false;
  await replace(file, kept.join(""));
  return true;
}

/** With their line ends, so that what is not ours stays byte by byte as it is. */
const lines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const isLine = (known: string, line: string): boolean => known.trim() === line;

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (isMissing(error)) return "";
    throw error;
  }
}

/** A symbolic link stays one: the file that it points to is replaced. Mode kept; a new file gets 0600. */
async function replace(file: string, text: string): Promise<void> {
  const target = await linkTarget(file);
  const made = `${target}.gpu-dev-${process.pid}`;
  await writeFile(made, text, { mode: 0o600, flag: "wx" });
  await chmod(made, await modeOf(target));
  await rename(made, target);
}

async function linkTarget(file: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  const isLink = (await statIfThere(lstat, file))?.isSymbolicLink() ?? false;
  return isLink ? resolve(dirname(file), await readlink(file)) : file;
}

const modeOf = async (file: string): Promise<number> =>
  ((await statIfThere(stat, file))?.mode ?? 0o600) & 0o777;

async function statIfThere(look: typeof stat | typeof lstat, file: string) {
  try {
    return await look(file);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ENOENT";
