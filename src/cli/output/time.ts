/** Instants of the server, for people: relative on a terminal, ISO in a pipe. */
import { formatDuration } from "../../api/duration.ts";
import type { Cell } from "./output.ts";

/** Milliseconds since the epoch; one without a zone is UTC (C-15). Undefined for what is no instant. */
export function parseInstant(text: string): number | undefined {
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`;
  const ms = Date.parse(zoned);
  return Number.isNaN(ms) ? undefined : ms;
}

/** "1h20m left" of an end; a remainder is rounded down (C-06). */
export const timeLeft = (end: string | null, now: Date): Cell =>
  relative(end, now, (s) => (s > 0 ? `${formatDuration(s, "down")} left` : "over"));

/** "in at most 12m" of a promised start; a wait is rounded up, and an unknown one is said to be unknown. */
export function startBy(latest: string | null, now: Date): Cell {
  if (latest === null) return { text: "unknown", value: "unknown" };
  return relative(latest, now, (s) => (s > 0 ? `in at most ${formatDuration(s, "up")}` : "any moment"));
}

/** "in 12m" of a time that is fixed. */
export const until = (at: string, now: Date): Cell =>
  relative(at, now, (s) => (s > 0 ? `in ${formatDuration(s, "up")}` : "any moment"));

/** "5m ago" of something past. */
export const ago = (instant: string | null, now: Date): Cell =>
  relative(instant, now, (s) => (s <= -1 ? `${formatDuration(-s, "down")} ago` : "just now"));

/** "14:02" in the local time of the user. */
export function clockTime(instant: string): string {
  const ms = parseInstant(instant);
  return ms === undefined ? instant : new Date(ms).toTimeString().slice(0, 5);
}
/** "2026-12-01 09:00", as a clock in `timeZone` shows an instant. */
export function wallClock(instant: string, timeZone: string): string {
  const ms = parseInstant(instant);
  if (ms === undefined) return instant;
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "short" }).format(ms);
}

/** "2026-12-01 09:00:12", the same to the second. */
export function wallClockSeconds(instant: string, timeZone: string): string {
  const ms = parseInstant(instant);
  if (ms === undefined) return instant;
  return new Intl.DateTimeFormat("sv-SE", { timeZone, dateStyle: "short", timeStyle: "medium" }).format(ms);
}

function relative(instant: string | null, now: Date, words: (seconds: number) => string): Cell {
  if (instant === null) return "";
  const ms = parseInstant(instant);
  // One malformed value is shown as it came; it never hides the row.
  if (ms === undefined) return instant;
  return { text: words((ms - now.getTime()) / 1000), value: new Date(ms).toISOString() };
}
