/** Nodes, holds and requests for plans, with times in minutes from NOW. */
import { LATE_MS, type PlanHold, type PlanNode, type PlanRequest } from "../../../src/core/plan/model.ts";
import type { Plan } from "../../../src/core/plan.ts";

export const NOW = Date.parse("2026-01-05T08:00:00.000Z");
export const MINUTE = 60_000;
export const HOUR_S = 3600;

export const node = (name: string, places: number, open = true): PlanNode => ({ node: name, places, open });

/** Without minutes nobody can tell when it ends. */
export const held = (name: string, places: number, minutes?: number): PlanHold => ({
  node: name,
  places,
  freeAt: minutes === undefined ? undefined : NOW + minutes * MINUTE,
});

export const placeIn = (minutes: number, ...nodes: string[]) => ({ start: NOW + minutes * MINUTE, nodes });

let arrived = 0;
/** An hour on one node, unless `its` says otherwise; what has a place was promised it. */
export const ask = (id: string, places = 1, its: Partial<PlanRequest> = {}): PlanRequest => ({
  id,
  seq: arrived++,
  places,
  nodes: 1,
  durationS: HOUR_S,
  notBefore: undefined,
  place: undefined,
  promised: its.place && its.place.start + LATE_MS,
  priority: 0,
  owner: "",
  ...its,
});

/** "id: node at minute" of each, in the queue's order. */
export const said = ({ planned }: Plan): string[] =>
  [...planned.values()].map(({ id, nodes, start }) =>
    start === null ? `${id}: never` : `${id}: ${nodes} at ${(start - NOW) / MINUTE}`,
  );
