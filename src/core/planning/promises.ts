/** What the plan says, as it is kept and told: a promise only gets earlier, unless capacity was lost. Pure. */
import type { PlaceRow, WaitingRow } from "../../store/plans.ts";
import { QUEUED_MS } from "../lifecycle.ts";
import type { Planned } from "../plan/model.ts";

export interface Told {
  readonly place: PlaceRow;
  /** In words, that and why it starts later than it was promised. */
  readonly loss: string | undefined;
}

/** What becomes of the place and the promise of one that waits; `reason` is why it waits. */
export function tell(row: WaitingRow, planned: Planned, reason: string): Told {
  const promise = stored(planned.latest);
  const loss =
    planned.lost && `${planned.lost}: promised by ${row.promised_start_at}, now ${startWords(promise)}`;
  return {
    place: {
      id: row.id,
      planned_start_at: stored(planned.start),
      planned_nodes: planned.start === null ? null : JSON.stringify(planned.nodes),
      promised_start_at: promise,
      queue_deadline:
        planned.latest === null
          ? row.queue_deadline
          : (stored(planned.latest + QUEUED_MS) ?? row.queue_deadline),
      reason,
    },
    loss,
  };
}

const stored = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

/** What a newcomer is told, for the history; null when it starts at once. */
export const promiseWords = (planned: Planned, reason: string): string | null =>
  planned.startsNow ? null : `${reason}; ${startWords(stored(planned.latest))}`;

const startWords = (start: string | null): string =>
  start === null ? "nobody can tell when it starts" : `starts by ${start}`;

/** The nodes of a stored place; none without one. Throws for a row that holds something else. */
export function nodesOf(row: Pick<WaitingRow, "id" | "planned_nodes">): string[] {
  if (row.planned_nodes === null) return [];
  const nodes: unknown = JSON.parse(row.planned_nodes);
  if (!Array.isArray(nodes) || !nodes.every((node) => typeof node === "string"))
    throw new Error(`reservations.planned_nodes of ${row.id} holds no list of names`);
  return nodes;
}

const COLUMNS = [
  "planned_start_at",
  "planned_nodes",
  "promised_start_at",
  "queue_deadline",
  "reason",
] as const;

/** Whether there is nothing to store. */
export const unchanged = (row: WaitingRow, place: PlaceRow): boolean =>
  COLUMNS.every((column) => row[column] === place[column]);
