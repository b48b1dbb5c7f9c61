/** What a quota refuses, with how much is used, of what, whose it is, and until when. */
import { exactDuration } from "../../api/duration.ts";
import { Problem } from "../../api/errors.ts";
import { countedFor } from "../../store/quotas.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Bound } from "../planning/room.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { secondsAt, secondsFitAt, spansOf, WEEK_MS } from "./use.ts";

export interface Wish {
  readonly gpu_type: string;
  readonly gpu_count: number;
  readonly duration_s: number;
}

/** All but the GPUs at once, for which a request can wait. Throws Problem over_quota. */
export async function checkQuotas(db: Db, ownerId: string, wish: Wish, now: Date): Promise<void> {
  for (const limits of await limitsOf(db, ownerId)) {
    checkShape(limits, wish);
    const hours = await hoursOf(db, limits, now);
    const more = wish.gpu_count * wish.duration_s;
    if (hours && more > hours.left) throw overHours(limits, hours, more, "duration_s");
  }
}

/** What it asks for at all. */
function checkShape({ whose, gpus, gpuTypes, maxDurationS }: Limits, wish: Wish): void {
  const quota = `the quota of ${whose}`;
  if (gpuTypes && !gpuTypes.includes(wish.gpu_type))
    throw overQuota("gpu_type", `${quota} allows ${gpuTypes.join(", ")}, not ${wish.gpu_type}`);
  if (maxDurationS !== null && wish.duration_s > maxDurationS)
    throw overQuota(
      "duration_s",
      `${quota} allows at most ${exactDuration(maxDurationS)} for a reservation, this asks for ${exactDuration(wish.duration_s)}`,
    );
  if (gpus !== null && wish.gpu_count > gpus)
    throw overQuota("gpu_count", `${quota} allows ${gpus} GPUs at once, this asks for ${wish.gpu_count}`);
}

/** What bounds the extension of an active reservation. */
export async function quotaBounds(db: Db, row: ReservationRow, now: Date): Promise<Bound[]> {
  const bounds: Bound[] = [];
  for (const limits of await limitsOf(db, row.owner_id)) {
    if (limits.maxDurationS !== null) bounds.push(durationBound(limits.whose, limits.maxDurationS, row));
    const hours = row.gpu_count === 0 ? undefined : await hoursOf(db, limits, now);
    if (hours) {
      const mostS = Math.floor(hours.left / row.gpu_count);
      const refusal = () =>
        overHours(limits, hours, (Math.max(0, mostS) + 1) * row.gpu_count, "extend_s", mostS);
      bounds.push({ mostS, refusal });
    }
  }
  return bounds;
}

function durationBound(whose: string, maximumS: number, row: ReservationRow): Bound {
  const mostS = maximumS - row.duration_s;
  const [max, has] = [exactDuration(maximumS), exactDuration(row.duration_s)];
  const detail = `the quota of ${whose} allows at most ${max} for a reservation, this has ${has}${more(mostS)}`;
  return { mostS, refusal: () => overQuota("extend_s", detail) };
}

interface Hours {
  readonly most: number;
  readonly used: number;
  readonly left: number;
  /** When so many GPU seconds more fit; undefined for never. */
  fitAt(more: number): number | undefined;
}

/** Undefined where they are not limited. */
export async function hoursOf(db: Db, { owners, gpuSeconds }: Limits, now: Date): Promise<Hours | undefined> {
  if (gpuSeconds === null) return undefined;
  const at = now.getTime();
  const since = new Date(at - WEEK_MS).toISOString();
  const spans = spansOf(await countedFor(db, owners, since), at);
  const used = secondsAt(spans, at);
  return {
    most: gpuSeconds,
    used,
    left: gpuSeconds - used,
    fitAt: (wanted) => secondsFitAt(spans, gpuSeconds, wanted, at),
  };
}

function overHours({ whose }: Limits, hours: Hours, wanted: number, field: string, mostS?: number): Problem {
  const at = hours.fitAt(wanted);
  const until =
    at === undefined ? "it is more than all of them" : `there is room at ${new Date(at).toISOString()}`;
  const asks = mostS === undefined ? `this asks for ${inHours(wanted)}` : `for this${more(mostS)}`;
  const has = `${inHours(hours.used)} of ${inHours(hours.most)} GPU hours within 7 days are used or planned`;
  return overQuota(field, `the quota of ${whose}: ${has}, ${asks}; ${until}`);
}

const more = (mostS: number): string =>
  mostS <= 0 ? ", no more is possible" : `, at most ${exactDuration(mostS)} more is possible`;

/** Rounded up to hundredths: what is used is never told as less. */
const inHours = (seconds: number): string => String(Math.ceil(seconds / 36) / 100);

/** The Problem of a quota that is hit by a field of the request. */
export const overQuota = (field: string, detail: string): Problem =>
  new Problem("over_quota", detail, {
    hint: "gpu-dev whoami --quota shows your quotas; an administrator changes them",
    errors: [{ field, code: "over_quota", detail }],
  });
