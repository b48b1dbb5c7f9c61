/** GPU hours and quotas, in words. */
import { formatDuration } from "../../api/duration.ts";
import type { OwnLimit } from "../../api/quotas.ts";
import { UsageError } from "../errors.ts";
import type { Cell } from "./output.ts";
import { until } from "./time.ts";

/** GPU seconds of hours as they are typed: whole, or with at most two decimals. Throws UsageError. */
export function gpuHours(given: string): number {
  if (/^\d{1,8}(\.\d{1,2})?$/.test(given)) return Math.round(Number(given) * 3600);
  throw new UsageError(`${JSON.stringify(given)} is not a number of GPU hours such as 100 or 0.5`);
}

/** In hours for people, rounded up to hundredths; in seconds for a pipe. */
export const hoursCell = (seconds: number | null): Cell =>
  seconds === null ? "" : { text: String(Math.ceil(seconds / 36) / 100), value: String(seconds) };

const NAMES: Readonly<Record<OwnLimit["limit"], string>> = {
  gpus: "GPUs at once",
  gpu_seconds: "GPU hours within 7 days",
  max_duration_s: "longest reservation",
  gpu_types: "GPU types",
};

/** Of one limit: whose, what, how much of it is used, and when there is room again. */
export const limitRow = (own: OwnLimit, now: Date): Cell[] => [
  own.whose,
  NAMES[own.limit] ?? own.limit,
  amount(own, own.used),
  own.gpu_types?.join(", ") ?? amount(own, own.most),
  own.room_at === null ? "" : until(own.room_at, now),
];

function amount({ limit }: OwnLimit, value: number | null): Cell {
  if (value === null) return "";
  if (limit === "gpu_seconds") return hoursCell(value);
  if (limit === "max_duration_s") return { text: formatDuration(value, "down"), value: String(value) };
  return String(value);
}
