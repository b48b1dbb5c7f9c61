/** The table of availability, the same in `avail` and `status` (C-28). */

import { formatDuration } from "../../api/duration.ts";
import type { Availability } from "../../api/schemas.ts";
import type { Cell, Output } from "./output.ts";
import { startBy } from "./time.ts";

/** By GPU type: total = free + used + unavailable. */
export const availabilityTable = (
  items: readonly Availability[],
  now: Date,
): Pick<Output, "header" | "rows"> => ({
  header: [
    "TYPE",
    "TOTAL",
    "FREE",
    "USED",
    "UNAVAILABLE",
    "QUEUED",
    "UNIT",
    "START",
    "MAX TIME",
    "ISOLATION",
    "NOTE",
  ],
  rows: items.map((item) => row(item, now)),
});

function row(a: Availability, now: Date): Cell[] {
  const counts = [a.total, a.free, a.used, a.unavailable, a.queued].map(String);
  const start = a.free > 0 && a.queued === 0 ? "now" : startBy(a.latest_start_at, now);
  const longest = { text: formatDuration(a.max_duration_s, "down"), value: String(a.max_duration_s) };
  return [a.gpu_type, ...counts, a.unit, start, longest, a.isolation, a.simulated ? "simulated" : ""];
}
