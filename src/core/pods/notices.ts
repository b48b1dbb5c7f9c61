/** What the users of a pod are told in its terminals: texts that are the same however often they are made, so that each is shown once. */
import { exactDuration } from "../../api/duration.ts";
import { id8 } from "../../api/names.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { findGpuType } from "../gpus/inventory.ts";

const USUAL_EXTENSION_S = 3600;

/** That the end is near: when, why, and how to extend. */
export async function endNotice(core: Core, db: Db, row: ReservationRow, aheadS: number): Promise<string> {
  const called = row.name ?? id8(row.id);
  const most = (await findGpuType(core, db, row.gpu_type))?.max_duration_s ?? row.duration_s;
  const when = localAndUtc(new Date(row.ends_at ?? ""));
  return [
    `gpu-dev: the reservation ${called} ends within ${aheadS / 60} minutes, at ${when}:`,
    `gpu-dev: the ${exactDuration(row.duration_s)} that it has are over then. ${howToExtend(called, most - row.duration_s)}`,
  ].join("\n");
}

function howToExtend(called: string, leftS: number): string {
  if (leftS <= 0) return "It has its maximum and cannot be extended: save your work.";
  const more = exactDuration(Math.min(USUAL_EXTENSION_S, leftS));
  return `To extend it, on your own machine: gpu-dev edit ${called} --extend ${more}`;
}

/** That nobody uses it: since when, what comes of it, and how to keep it. */
export function idleNotice(row: ReservationRow, afterS: number): string {
  const since = localAndUtc(new Date(row.idle_since ?? ""));
  return [
    `gpu-dev: the reservation ${row.name ?? id8(row.id)} has been idle since ${since}: no ssh connection, no work for its GPUs.`,
    `gpu-dev: after ${exactDuration(afterS)} it is ended; an ssh connection or work on a GPU keeps it.`,
  ].join("\n");
}

/** "Sun 22 Nov, 16:32 CET (15:32 UTC)"; the local time is the server's, which on one machine is the pods' as well. */
export function localAndUtc(at: Date, timeZone?: string): string {
  const utc = `${at.toISOString().slice(11, 16)} UTC`;
  const part = (options: Intl.DateTimeFormatOptions): string =>
    new Intl.DateTimeFormat("en-GB", { timeZone, ...options }).format(at);
  const day = part({ weekday: "short", day: "numeric", month: "short" });
  const local = part({ hour: "2-digit", minute: "2-digit", timeZoneName: "short" });
  return local === utc ? `${day}, ${utc}` : `${day}, ${local} (${utc})`;
}
