/** One line of ours in another program's file: put in and taken out by write-and-rename, everything else as it was (C-22). */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { absent, readOwnFile } from "../../tunnel/own-file.ts";

/** True when `line` stands in the file. */
export const hasLine = (file: string, line: string): boolean =>
  lines(readText(file)).some((known) => isLine(known, line));

/** Puts `line` into the file, first or last. False when it is there already, wherever. */
export function addLine(file: string, line: string, place: "first" | "last"): boolean {
  if (hasLine(file, line)) return false;
  const text = readText(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const gap = text === "" || text.endsWith("\n") ? "" : "\n";
  replace(file, place === "first" ? `${line}\n${text}` : `${text}${gap}${line}\n`);
  return true;
}

/** Takes `line` out, wherever it stands. False when it is not there. */
export function removeLine(file: string, line: string): boolean {
  const text = readText(file);
  const kept = lines(text).filter((known) => !isLine(known, line));
  if (kept.length === lines(text).length) return false;
  replace(file, kept.join(""));
  return true;
}

/** With their line ends, so that what is not ours stays byte by byte as it is. */
const lines = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];

const isLine = (known: string, line: string): boolean => known.trim() === line;

const readText = (file: string): string => readOwnFile(file) ?? "";

/** A symbolic link stays one: the file that it points to is replaced. Mode kept; a new file gets 0600. */
function replace(file: string, text: string): void {
  const target = linkTarget(file);
  const made = `${target}.gpu-dev-${process.pid}`;
  writeFileSync(made, text, { mode: 0o600, flag: "wx" });
  chmodSync(made, modeOf(target));
  renameSync(made, target);
}

function linkTarget(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    absent(error);
  }
  const isLink = lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
  return isLink ? resolve(dirname(file), readlinkSync(file)) : file;
}

const modeOf = (file: string): number => (statSync(file, { throwIfNoEntry: false })?.mode ?? 0o600) & 0o777;
