/** The table of availability, the same in `avail` and `status` (C-28). */

import { formatDuration } from "../../api/duration.ts";
import type { Availability, ClosedNode } from "../../api/inventory.ts";
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

/** Why some are unavailable: a line for each reason (C-14). */
export function closedWords(items: readonly Availability[], now: Date): string[] {
  // A server of before has none.
  const closed = new Map(items.flatMap((item) => (item.closed_nodes ?? []).map((node) => [node.name, node])));
  return [...Map.groupBy(closed.values(), ({ why }) => why)].map(
    ([why, nodes]) => `${eachOf(nodes)} gives nothing new${howLong(nodes, now)}: ${why}`,
  );
}

/** A subject in the singular. */
export const eachOf = (nodes: readonly { readonly name: string }[]): string =>
  `${nodes.length === 1 ? "Node" : "Each of the nodes"} ${nodes.map(({ name }) => name).join(", ")}`;

function howLong(nodes: readonly ClosedNode[], now: Date): string {
  const seconds = nodes.map(({ since }) => (since === null ? 0 : (now.getTime() - Date.parse(since)) / 1000));
  const longest = Math.max(...seconds);
  if (longest < 1) return "";
  return `, for ${nodes.length === 1 ? "" : "up to "}${formatDuration(longest, "down")} now`;
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
