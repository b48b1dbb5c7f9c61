/**
 * Telling users before the end (L-10): 30, 15 and 5 minutes ahead, each once, the smallest that applies. The row keeps the
 * smallest that was given for the present end; what lies behind when an end is set counts as given.
 */
import type { ReservationRow } from "../../store/tables.ts";

/** Seconds before the end, the smallest first. */
const AHEAD_S = [5 * 60, 15 * 60, 30 * 60] as const;

type Ending = Pick<ReservationRow, "ends_at" | "warned_s">;

const leftS = (row: Ending, now: Date): number => (Date.parse(row.ends_at ?? "") - now.getTime()) / 1000;
const smallest = (seconds: number): number | undefined => AHEAD_S.find((ahead) => seconds <= ahead);

/** The warning that is due, in seconds before the end; undefined when there is none. */
export function dueWarning(row: Ending, now: Date): number | undefined {
  const due = smallest(leftS(row, now));
  return due !== undefined && due < (row.warned_s ?? Number.POSITIVE_INFINITY) ? due : undefined;
}

/** Milliseconds until the next warning is due; Infinity when none is left. */
export function untilWarning(row: Ending, now: Date): number {
  const left = leftS(row, now);
  const next = AHEAD_S.findLast(
    (ahead) => ahead < left && ahead < (row.warned_s ?? Number.POSITIVE_INFINITY),
  );
  return next === undefined ? Number.POSITIVE_INFINITY : (left - next) * 1000;
}

/** What counts as given when the end is set to `seconds` from now: nobody is told what he has just asked for. */
export const passedWarning = (seconds: number): number | null => smallest(seconds) ?? null;
