/** The table of availability, the same in `avail` and `status` (C-28). */

import { formatDuration } from "../../api/duration.ts";
import type { Availability } from "../../api/inventory.ts";
import { toned } from "./cell.ts";
import type { Cell, Output } from "./output.ts";
import { startBy } from "./time.ts";

/** By GPU type: total = free + used + unavailable. */
export const availabilityTable = (
  items: readonly Availability[],
  now: Date,
): Pick<Output, "header" | "spare" | "rows"> => ({
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
  spare: ["ISOLATION", "MAX TIME", "UNIT"],
  rows: items.map((item) => row(item, now)),
});

/** Why some are unavailable: a line for each node. */
export function closedWords(items: readonly Availability[], now: Date): string[] {
  // A server of before has none.
  const closed = new Map(items.flatMap((item) => (item.closed_nodes ?? []).map((node) => [node.name, node])));
  return [...closed.values()].map(({ name, why, since }) => {
    const seconds = since === null ? 0 : (now.getTime() - Date.parse(since)) / 1000;
    const long = seconds < 1 ? "" : `, for ${formatDuration(seconds, "down")} now`;
    return `Node ${name} gives nothing new${long}: ${why}`;
  });
}

/** A pipe gets the instant. */
const nowOf = ({ latest_start_at }: Availability): Cell => ({ text: "now", value: latest_start_at ?? "now" });

function row(a: Availability, now: Date): Cell[] {
  const counts = [
    String(a.total),
    toned(String(a.free), a.free > 0 ? "good" : undefined),
    String(a.used),
    toned(String(a.unavailable), a.unavailable > 0 ? "warn" : undefined),
    String(a.queued),
  ];
  const start = a.free > 0 && a.queued === 0 ? nowOf(a) : startBy(a.latest_start_at, now);
  const longest = { text: formatDuration(a.max_duration_s, "down"), value: String(a.max_duration_s) };
  return [a.gpu_type, ...counts, a.unit, start, longest, a.isolation, a.simulated ? "simulated" : ""];
}
