/** When something is to start, as people write it (`--at`): local wall clock in, an exact instant out. */
import { UsageError } from "./errors.ts";

export const AT_FORMS = '2026-12-01T09:00, "tomorrow 9:00", "mon 9:00" or 9:00';

const DAY_MS = 86_400_000;
const WEEKDAYS = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const DATE_TIME = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?$/i;
const ZONE = /(Z|[+-]\d\d:\d\d)$/i;
const ZONED = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/i;
const CLOCK = /^(?:(\S+) )?(\d{1,2}):(\d\d)$/;

/** A wall clock's reading, as milliseconds of a UTC that shows the same. */
type Wall = number;

/**
 * The instant of `text` in `timeZone`, which lies after `now`: a time without a day is its next occurrence. Throws UsageError for
 * what cannot be read, lies in the past, or what the clocks skip or show twice when summer time begins or ends.
 */
export function parseAt(text: string, now: Date, timeZone: string): Date {
  const given = text.trim().replace(/\s+/g, " ");
  if (ZONED.test(given)) {
    if (dateTime(given.replace(ZONE, "")) === undefined) throw unreadable(text);
    return future(new Date(given.replace(" ", "T")), given, now);
  }
  const wall = dateTime(given);
  if (wall !== undefined) return future(onlyInstant(wall, timeZone), given, now);
  const clock = CLOCK.exec(given);
  if (!clock) throw unreadable(text);
  const time = clockMs(clock[2], clock[3]);
  const day = dayOf(clock[1]?.toLowerCase(), wallOf(now, timeZone), time);
  if (time === undefined || day === undefined) throw unreadable(text);
  return future(onlyInstant(day + time, timeZone), given, now);
}

function unreadable(text: string): UsageError {
  return new UsageError(`${JSON.stringify(text)} is not a time; write ${AT_FORMS}`);
}

function future(at: Date, given: string, now: Date): Date {
  if (Number.isNaN(at.getTime())) throw unreadable(given);
  if (at > now) return at;
  throw new UsageError(`${JSON.stringify(given)} is over; give a time that lies ahead`);
}

/** Undefined for what is no date with a time, or one that no calendar has. */
function dateTime(given: string): Wall | undefined {
  const [, year, month, day, hour, minute, second = "00"] = DATE_TIME.exec(given) ?? [];
  if (year === undefined) return undefined;
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const wall = Date.parse(text);
  // Date.parse lets the 30th of February be the 2nd of March.
  return !Number.isNaN(wall) && new Date(wall).toISOString() === text ? wall : undefined;
}

function clockMs(hour = "", minute = ""): number | undefined {
  const [h, m] = [Number(hour), Number(minute)];
  return h < 24 && m < 60 ? (h * 60 + m) * 60_000 : undefined;
}

/** Midnight of the day that is named; without a name, of the next day that still has that time. */
function dayOf(name: string | undefined, now: Wall, time = 0): Wall | undefined {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  if (name === undefined) return today + time > now ? today : today + DAY_MS;
  if (name === "today") return today;
  if (name === "tomorrow") return today + DAY_MS;
  const weekday = WEEKDAYS.findIndex((day) => name === day || name === day.slice(0, 3));
  if (weekday < 0) return undefined;
  const ahead = (weekday - new Date(today).getUTCDay() + 7) % 7;
  return today + (ahead === 0 && today + time <= now ? 7 : ahead) * DAY_MS;
}

/** The one instant at which a clock in `timeZone` shows this. */
function onlyInstant(wall: Wall, timeZone: string): Date {
  // The offsets of the day before and of the day after are all that can hold at that time.
  const offsets = [-DAY_MS, DAY_MS].map((ms) => {
    const near = new Date(wall + ms);
    return wallOf(near, timeZone) - near.getTime();
  });
  const instants = [...new Set(offsets.map((offset) => wall - offset))].sort((a, b) => a - b);
  const shown = instants.filter((ms) => wallOf(new Date(ms), timeZone) === wall).map((ms) => new Date(ms));
  const [only, other] = shown;
  if (only && !other) return only;
  const what = only ? "shows twice" : "skips";
  const choices = instants.map((ms) => new Date(ms).toISOString().replace(":00.000Z", "Z"));
  throw new UsageError(
    `the clock in ${timeZone} ${what} ${new Date(wall).toISOString().slice(0, 16)}, as summer time ${only ? "ends" : "begins"}`,
    `Say which instant is meant: --at ${choices.join(" or --at ")}.`,
  );
}

/** What a clock in `timeZone` shows. */
function wallOf(at: Date, timeZone: string): Wall {
  const parts = new Intl.DateTimeFormat("en", {
    ...{ timeZone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric" },
    ...{ hour: "numeric", minute: "numeric", second: "numeric" },
  }).formatToParts(at);
  const part = (type: string): number => Number(parts.find((p) => p.type === type)?.value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
}
