/** What a request would come to, in words (`reserve --dry-run`). */
import { exactDuration } from "../../api/duration.ts";
import type { Forecast } from "../../api/forecast.ts";
import { formatDollars } from "../../api/money.ts";
import type { Cell, Output } from "./output.ts";
import { gpus } from "./reservation.ts";
import { startBy, until } from "./time.ts";

/** Labels and values. */
export function describeForecast(f: Forecast, now: Date): Output {
  const waits = f.queue_position !== null;
  const rows: Cell[][] = [
    ["gpus", gpus(f)],
    ["time", exactDuration(f.duration_s)],
    ["start", waits ? startBy(f.latest_start_at, now) : { text: "now", value: f.latest_start_at ?? "" }],
    ["latest end", f.latest_end_at === null ? "unknown" : until(f.latest_end_at, now)],
    ["node", f.nodes.join(" ")],
    ["price", f.price === null ? "" : formatDollars(f.price)],
    ["queue", waits ? `#${f.queue_position}` : ""],
    ["reason", f.reason ?? ""],
  ];
  return { json: f, rows: rows.filter(([, value]) => value !== "") };
}
