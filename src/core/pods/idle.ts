/**
 * The idle rule: a pod without an ssh connection and without work for its GPUs is ended after a time that the operator sets, by GPU
 * type. It is said first, and whoever comes or lets a GPU work until then keeps it. What cannot be known never makes idle.
 */
import type { Activity } from "../../drivers/driver.ts";
import type { ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";

/** It is said so long before the end, or half of the time when that is less. */
const AHEAD_S = 10 * 60;

/** What has become of a pod's idleness: it is to be written, told, taken back, or it has lasted too long. */
export type IdleChange = "begins" | "told" | "over" | "lasted";

/** Seconds after which a pod of this type is ended when nobody uses it; undefined for never. */
export const idleAfterS = (core: Pick<Core, "catalogue" | "settings">, gpuType: string): number | undefined =>
  (core.catalogue().get(gpuType)?.idleAfterS ?? core.settings.idleAfterS) || undefined;

type Idle = Pick<ReservationRow, "idle_since" | "idle_warned_at">;

/** What changes now; undefined while nothing does. */
export function idleChange(
  row: Idle,
  activity: Activity | undefined,
  afterS: number | undefined,
  now: Date,
): IdleChange | undefined {
  const idle = afterS !== undefined && activity?.sessions === 0 && activity.gpuBusy === false;
  if (!idle) return row.idle_since === null ? undefined : "over";
  if (row.idle_since === null) return "begins";
  if (row.idle_warned_at === null) return now.getTime() >= tellAt(row, afterS) ? "told" : undefined;
  return now.getTime() >= idleEndMs(row, afterS) ? "lasted" : undefined;
}

/** Milliseconds until something is to be done if it stays idle; Infinity when nothing is, or when it is due already. */
export function untilIdleChange(row: Idle, afterS: number | undefined, now: Date): number {
  if (row.idle_since === null || afterS === undefined) return Number.POSITIVE_INFINITY;
  const next = row.idle_warned_at === null ? tellAt(row, afterS) : idleEndMs(row, afterS);
  return next > now.getTime() ? next - now.getTime() : Number.POSITIVE_INFINITY;
}

/** When it ends if it stays idle, in milliseconds since the epoch: also after a pause of the server never without having been told. */
export function idleEndMs(row: Idle, afterS: number): number {
  const due = Date.parse(row.idle_since ?? "") + afterS * 1000;
  return row.idle_warned_at === null ? due : Math.max(due, Date.parse(row.idle_warned_at) + aheadMs(afterS));
}

const tellAt = (row: Idle, afterS: number): number =>
  Date.parse(row.idle_since ?? "") + afterS * 1000 - aheadMs(afterS);

const aheadMs = (afterS: number): number => Math.min(AHEAD_S, afterS / 2) * 1000;
