/**
 * The last plan of a type as this server made it, kept in memory so that the next one is made of what changed since, in a time that
 * does not grow with the queue. It is good as long as the database bears its stamp: then nobody else has planned since, and whatever
 * the plan counts on that changed is marked. Else, or when a transaction is undone, the whole is read and planned (planning.ts).
 */
import type { PlanChange } from "../../store/plan-changes.ts";
import { listWaiting, type WaitingRow } from "../../store/plans.ts";
import type { Db } from "../../store/tables.ts";
import { type Plan, replan } from "../plan.ts";
import { readNodes, requestOf, sharesOf } from "./plan-input.ts";

/** A plan of a type, and what it is about. */
export interface MadePlan {
  readonly plan: Plan;
  /** All that wait, by id, as they are stored. */
  readonly waiting: Map<string, WaitingRow>;
}

export interface KeptPlan extends MadePlan {
  readonly stamp: string;
  /** Who was placed by it, and where. */
  readonly placed: readonly string[];
  readonly given: ReadonlySet<string>;
}

/** What was kept, brought up to date with the changes since; `kept` is used up by it. */
export async function catchUp(
  db: Db,
  gpuType: string,
  now: Date,
  kept: KeptPlan,
  changes: readonly PlanChange[],
): Promise<MadePlan> {
  const { plan, waiting } = kept;
  const nodes = new Set([...kept.given, ...namesOf(changes, "node"), ...dueNodes(plan, now)]);
  const marked = namesOf(changes, "reservation");
  const queued = new Map((await listWaiting(db, gpuType, marked)).map((row) => [row.id, row]));
  const left = [...kept.placed, ...marked.filter((id) => waiting.has(id) && !queued.has(id))];
  const arrived = [...queued.values()].filter((row) => !waiting.has(row.id));
  for (const id of left) waiting.delete(id);
  for (const row of arrived) waiting.set(row.id, row);
  const made = replan(plan, {
    now: now.getTime(),
    nodes: await readNodes(db, gpuType, now, nodes),
    arrived: arrived.map(requestOf),
    left,
    shares: await sharesOf(db, waiting.values(), now),
  });
  return { plan: made, waiting };
}

const namesOf = (changes: readonly PlanChange[], about: PlanChange["about"]): string[] => [
  ...new Set(
    changes.flatMap((change) => (change.about === about && change.name !== null ? [change.name] : [])),
  ),
];

/** Nodes on which something should have been given back by now: when it will be is guessed anew. */
function dueNodes({ board }: Plan, now: Date): string[] {
  return [...board.schedule.hosts.values()]
    .filter((host) => host.dueAt <= now.getTime())
    .map((host) => host.name);
}
