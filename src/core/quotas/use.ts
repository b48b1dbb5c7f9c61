/**
 * What counts against a quota. GPUs at once: all that a reservation asks for, from its place in the plan until its GPUs are given back.
 * GPU hours: GPUs times the time from the first login to the end, of the last 7 days; what is live counts to its planned end, so that
 * who is let in can stay. Pure.
 */
import type { CountedRow } from "../../store/quotas.ts";
import { preparingMs } from "../lifecycle.ts";

export const WEEK_MS = 7 * 86_400_000;

interface Span {
  readonly gpus: number;
  readonly from: number;
  readonly until: number;
}

/** GPU seconds that were used within the 7 days before `at`, with what is planned after it. */
export const secondsAt = (spans: readonly Span[], at: number): number =>
  Math.ceil(
    spans.reduce(
      (sum, { gpus, from, until }) => sum + (gpus * Math.max(0, until - Math.max(from, at - WEEK_MS))) / 1000,
      0,
    ),
  );

/** When and how many GPUs each of these has, had, or will have; `now` is the start of what has none yet. */
export const spansOf = (rows: readonly CountedRow[], now: number): Span[] =>
  rows.flatMap((row) => {
    const from = row.started_at === null ? now : Date.parse(row.started_at);
    const until = untilOf(row, now);
    return until === undefined ? [] : [{ gpus: row.gpu_count, from, until }];
  });

/** Undefined for one that is over, or ends, without ever having worked. */
function untilOf(row: CountedRow, now: number): number | undefined {
  const end = row.ending_at ?? row.ended_at;
  if (end !== null) return row.started_at === null ? undefined : Date.parse(end);
  return row.ends_at === null ? now + row.duration_s * 1000 : Date.parse(row.ends_at);
}

/** The first instant from `now` on at which so many more GPU seconds fit; undefined for never. */
export function secondsFitAt(
  spans: readonly Span[],
  most: number,
  more: number,
  now: number,
): number | undefined {
  if (more > most) return undefined;
  let [low, high] = [now, Math.max(now, ...spans.map(({ until }) => until)) + WEEK_MS];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (secondsAt(spans, middle) + more <= most) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** All GPUs of these. */
export const gpusOf = (rows: readonly CountedRow[]): number =>
  rows.reduce((sum, row) => sum + row.gpu_count, 0);

/** When so many more GPUs fit beside those of `rows` at the latest, as far as the ends are known; undefined when nobody can tell. */
export function gpusFitAt(
  rows: readonly CountedRow[],
  most: number,
  more: number,
  now: number,
): number | undefined {
  let over = gpusOf(rows) + more - most;
  const ends = rows
    .map((row) => ({ gpus: row.gpu_count, at: givenBackBy(row, now) }))
    .sort((a, b) => a.at - b.at);
  let at = now;
  for (const end of ends) {
    if (over <= 0) break;
    over -= end.gpus;
    at = end.at;
  }
  return over <= 0 && Number.isFinite(at) ? at : undefined;
}

function givenBackBy(row: CountedRow, now: number): number {
  if (row.state === "ending") return now;
  if (row.ends_at !== null) return Date.parse(row.ends_at);
  const begun = row.preparing_deadline ?? row.promised_start_at;
  if (begun === null) return Number.POSITIVE_INFINITY;
  const ready = Date.parse(begun) + (row.preparing_deadline === null ? preparingMs(row) : 0);
  return ready + row.duration_s * 1000;
}
