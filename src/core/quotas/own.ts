/** The quotas that hold for the caller, with how much of them is used. */
import type { OwnLimit } from "../../api/quotas.ts";
import type { Page } from "../../api/schemas.ts";
import { holdingFor } from "../../store/quotas.ts";
import type { Db } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { type PageQuery, pageOfNamed } from "../cursor.ts";
import type { Caller } from "../people/access.ts";
import { hoursOf } from "./check.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { gpusFitAt, gpusOf } from "./use.ts";

/** His own first, then those that he shares with his team. */
export async function listOwnQuotas(
  core: Core,
  caller: Caller,
  query: PageQuery = {},
): Promise<Page<OwnLimit>> {
  const all = await core.store.read(async (db, now) => {
    const limits = await limitsOf(db, caller.id);
    return (await Promise.all(limits.map((one) => viewLimits(db, one, now)))).flat();
  });
  return pageOfNamed(all, query, "own quotas", placeOf);
}

/** The user's come before his team's. */
const placeOf = ({ whose, limit }: OwnLimit): string =>
  `${whose.startsWith("user ") ? 0 : 1} ${ORDER.indexOf(limit)}`;

const ORDER: readonly OwnLimit["limit"][] = ["gpus", "gpu_seconds", "max_duration_s", "gpu_types"];

async function viewLimits(db: Db, limits: Limits, now: Date): Promise<OwnLimit[]> {
  const { whose, gpus, maxDurationS, gpuTypes } = limits;
  const none = { whose, most: null, used: null, room_at: null, gpu_types: null };
  const hours = await hoursOf(db, limits, now);
  return [
    ...(gpus === null ? [] : [{ ...none, ...(await viewGpus(db, limits, gpus, now)) }]),
    ...(hours
      ? [
          {
            ...none,
            limit: "gpu_seconds" as const,
            most: hours.most,
            used: hours.used,
            room_at: hours.left > 0 ? null : instant(hours.fitAt(1)),
          },
        ]
      : []),
    ...(maxDurationS === null ? [] : [{ ...none, limit: "max_duration_s" as const, most: maxDurationS }]),
    ...(gpuTypes === null ? [] : [{ ...none, limit: "gpu_types" as const, gpu_types: [...gpuTypes] }]),
  ];
}

async function viewGpus(db: Db, { owners }: Limits, most: number, now: Date) {
  const rows = await holdingFor(db, owners);
  const used = gpusOf(rows);
  const room_at = used < most ? null : instant(gpusFitAt(rows, most, 1, now.getTime()));
  return { limit: "gpus" as const, most, used, room_at };
}

const instant = (ms: number | undefined): string | null =>
  ms === undefined ? null : new Date(ms).toISOString();
