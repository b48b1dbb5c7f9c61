/** Durations as users type them, in integer seconds on the wire. Exact: nothing is truncated or rounded. */

const UNIT_S: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };
const PART = /^(\d+)(?:\.(\d+))?([smhdw])/;
const CLOCK = /^(\d{1,4}):([0-5]\d)$/;

export const DURATION_FORMS = "90m, 1h30m, 8h, 2d, 0.5h or h:mm";

/** Seconds of `text`; undefined when it is not a duration of whole seconds (a bare number is none). */
export function parseDuration(text: string): number | undefined {
  const clock = CLOCK.exec(text);
  if (clock) return Number(clock[1]) * 3600 + Number(clock[2]) * 60;
  let rest = text.toLowerCase().replaceAll(" ", "");
  let total = 0;
  let lastUnit = Number.POSITIVE_INFINITY;
  if (rest === "") return undefined;
  while (rest !== "") {
    const part = PART.exec(rest);
    if (!part) return undefined;
    const unit = UNIT_S[part[3] ?? ""] ?? 0;
    // Each unit once, the larger before the smaller: "30m1h" is more likely a slip than a wish.
    if (unit >= lastUnit) return undefined;
    lastUnit = unit;
    const seconds = partSeconds(part[1] ?? "", part[2] ?? "", unit);
    if (seconds === undefined) return undefined;
    total += seconds;
    rest = rest.slice(part[0].length);
  }
  return Number.isSafeInteger(total) ? total : undefined;
}

/** Whole and decimal digits times the unit, in exact integer arithmetic; undefined when it is no whole second. */
function partSeconds(whole: string, fraction: string, unit: number): number | undefined {
  if (whole.length > 9 || fraction.length > 9) return undefined;
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * BigInt(unit);
  return scaled % scale === 0n ? Number(scaled / scale) : undefined;
}

/** A length of time in words of at most two units: a wait is rounded up, a remainder down (C-06). */
export function formatDuration(seconds: number, rounding: "up" | "down"): string {
  const round = rounding === "up" ? Math.ceil : Math.floor;
  const s = Math.max(0, round(seconds));
  if (s < 60) return `${s}s`;
  const minutes = round(s / 60);
  if (minutes < 60) return `${minutes}m`;
  if (minutes < 24 * 60) return units(Math.floor(minutes / 60), "h", minutes % 60, "m");
  const hours = round(s / 3600);
  return units(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** How long something took, for people: tenths of a second below ten, else as any remainder; rounded down (C-06). */
export function formatElapsed(ms: number): string {
  const tenths = Math.floor(Math.max(0, ms) / 100);
  return tenths < 100 ? `${(tenths / 10).toFixed(1)}s` : formatDuration(ms / 1000, "down");
}

const units = (big: number, bigUnit: string, small: number, smallUnit: string): string =>
  small === 0 ? `${big}${bigUnit}` : `${big}${bigUnit}${small}${smallUnit}`;

/** Exactly these seconds in the form that parseDuration reads, for messages that name a bound ("90m", "1h30m"). */
export function exactDuration(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [unit, size] of [
    ["d", 86_400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    const n = Math.floor(rest / size);
    if (n > 0) text += `${n}${unit}`;
    rest -= n * size;
  }
  return text === "" ? "0s" : text;
}
