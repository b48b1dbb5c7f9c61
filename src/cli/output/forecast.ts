/** What a request would come to, in words (`reserve --dry-run`). */
import { exactDuration, formatDuration } from "../../api/duration.ts";
import { formatDollars } from "../../api/money.ts";
import type { Forecast } from "../../api/schemas.ts";
import type { Cell, Output } from "./output.ts";
import { gpus } from "./reservation.ts";
import { startBy } from "./time.ts";

/** Labels and values. */
export function describeForecast(f: Forecast, now: Date): Output {
  const waits = f.queue_position !== null;
  const rows: Cell[][] = [
    ["gpus", gpus(f)],
    ["time", exactDuration(f.duration_s)],
    ["start", waits ? startBy(f.latest_start_at, now) : { text: "now", value: f.latest_start_at ?? "" }],
    ["latest end", latestEnd(f, now)],
    ["node", f.nodes.join(" ")],
    ["price", f.price === null ? "" : formatDollars(f.price)],
    ["queue", waits ? `#${f.queue_position}` : ""],
    ["reason", f.reason ?? ""],
  ];
  return { json: f, rows: rows.filter(([, value]) => value !== "") };
}

function latestEnd({ latest_end_at }: Forecast, now: Date): Cell {
  if (latest_end_at === null) return "unknown";
  const seconds = (Date.parse(latest_end_at) - now.getTime()) / 1000;
  return { text: `in ${formatDuration(seconds, "up")}`, value: latest_end_at };
}
