/** When somebody who comes now would start, around all that is planned; nothing is stored. */
import type { Db } from "../../store/tables.ts";
import { earliestFor } from "../plan/advice.ts";
import { LATE_MS } from "../plan/model.ts";
import { makePlan } from "./planning.ts";

const ONE_FOR_AN_HOUR = { places: 1, nodes: 1, durationS: 3600, notBefore: undefined };

/** The latest start of who wants one place for an hour, as it is told; null when nobody can tell. */
export async function newcomerStart(db: Db, gpuType: string, now: Date): Promise<string | null> {
  const { plan } = await makePlan(db, gpuType, now);
  const fit = earliestFor(plan, ONE_FOR_AN_HOUR);
  if (!fit) return null;
  return new Date(fit.start <= now.getTime() ? fit.start : fit.start + LATE_MS).toISOString();
}
