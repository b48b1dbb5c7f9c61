/** Bytes, for people; a pipe gets the number. */
import type { Cell } from "./output.ts";

const UNITS = ["B", "K", "M", "G", "T", "P"] as const;

/** "1.5G" of a count of bytes: two digits or more, in steps of 1000, rounded up so that what is used never looks like nothing (C-26). */
export function roundSize(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  const shown = value < 10 && unit > 0 ? Math.ceil(value * 10) / 10 : Math.ceil(value);
  // 999.5M is 1G.
  return shown >= 1000 && unit < UNITS.length - 1 ? `1${UNITS[unit + 1]}` : `${shown}${UNITS[unit]}`;
}

/** Unknown is the word "unknown" (C-06). */
export const sizeCell = (bytes: number | null): Cell =>
  bytes === null ? "unknown" : { text: roundSize(bytes), value: String(bytes) };
