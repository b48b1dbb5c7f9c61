/**
 * Who starts when, and on which nodes: a pure function of the nodes, what is held, the queue and the time. One GPU type at
 * a time; types know nothing of each other. The rules, in this order:
 *
 * 1. A place that was given stays as long as it is possible.
 * 2. Who lost a place, because capacity was lost, gets the earliest one that moves nobody, and is told what was lost.
 * 3. A newcomer, in order of arrival, gets the earliest place that moves nobody.
 * 4. What is free is given on: each in turn, by class, then the owner's recent use, then arrival, is lifted out and placed
 *    at the earliest fit with all others fixed, until nobody can start earlier.
 *
 * Of several nodes that could serve, the fullest does, so that whole nodes stay free; then the first by name. A gang gets all
 * its nodes at once. A closed node gets nothing, and what has no known end is never counted as free.
 *
 * So it holds at all times: no place is booked twice; nobody starts later than told unless capacity was lost; nobody is
 * moved later by anyone else; nobody waits who could start; the same input gives the same plan.
 */
import {
  type Board,
  byArrival,
  byStart,
  byTurn,
  type Entry,
  keepPlaces,
  lift,
  newEntry,
  placeEarliest,
} from "./plan/board.ts";
import { Freed } from "./plan/freed.ts";
import { improve } from "./plan/improve.ts";
import {
  LATE_MS,
  type PlanHold,
  type PlanNode,
  type Planned,
  type PlanRequest,
  type Shares,
} from "./plan/model.ts";
import { namesOf, Schedule } from "./plan/schedule.ts";
import { tell } from "./plan/tell.ts";

export interface Plan {
  readonly planned: Map<string, Planned>;
  /** Those of whom something else is said than by the plan before. */
  readonly moved: readonly string[];
  /** The others who may wait for something else than before. */
  readonly shaken: readonly string[];
  /** More could be moved to earlier starts (none to now): plan again soon. */
  readonly more: boolean;
  readonly board: Board;
}

/** A node as it is now, with all that is held on it. */
export interface NodeChange {
  readonly node: PlanNode;
  readonly holds: readonly PlanHold[];
}

/** What happened since the last plan. */
export interface PlanChange {
  readonly now: number;
  /** The nodes of which anything changed; one without places is gone. */
  readonly nodes?: readonly NodeChange[];
  readonly arrived?: readonly PlanRequest[];
  /** Those who wait no longer: started, cancelled, or failed. */
  readonly left?: readonly string[];
  readonly shares?: Shares;
}

const NO_SHARES: Shares = new Map();

/** The plan of one GPU type. Those with `startsNow` are to be started. */
export function plan(
  nodes: readonly PlanNode[],
  holds: readonly PlanHold[],
  queue: readonly PlanRequest[],
  now: number,
  shares: Shares = NO_SHARES,
): Plan {
  const schedule = new Schedule(now);
  const held = Map.groupBy(holds, (hold) => hold.node);
  for (const node of nodes) schedule.setHost(node, held.get(node.node) ?? []);
  const entries = new Map(queue.map((request) => [request.id, newEntry(request)]));
  const order = [...entries.values()].sort(byTurn(shares));
  keepPlaces(schedule, order);
  // Nothing is known of what was free before: all that were kept are looked at.
  const unsure = new Set(order.filter((entry) => entry.booking));
  return settle({ schedule, entries, order, freed: new Freed(schedule), unsure }, new Map());
}

/**
 * The same plan as `plan` makes of the changed input, in the time that it takes to plan what the change touches. `previous`
 * is used up by it. All its requests are taken as placed and promised as it says.
 */
export function replan({ board, planned }: Plan, change: PlanChange): Plan {
  const { schedule } = board;
  schedule.advance(change.now);
  const left = new Set(change.left);
  const touched = touchedNodes(board, change);
  const again = concerned(board, touched, left);
  board.freed.watch(nodesOf(touched, again), () => {
    for (const entry of again) lift(schedule, entry);
    for (const { node, holds } of touched.values())
      if (node.places === 0) schedule.dropHost(node.node);
      else schedule.setHost(node, holds);
    keepPlaces(
      schedule,
      again.filter(({ request }) => !left.has(request.id)),
    );
  });
  leave(board, planned, left);
  join(board, change.arrived ?? []);
  board.order.sort(byTurn(change.shares ?? NO_SHARES));
  // Who is kept waiting by what should be gone may start earlier elsewhere by now.
  for (const entry of again)
    if (entry.booking && entry.booking.from > entry.booking.start) board.unsure.add(entry);
  return settle(board, planned);
}

function leave(board: Board, planned: Map<string, Planned>, left: ReadonlySet<string>): void {
  if (left.size === 0) return;
  for (const id of left) {
    const entry = board.entries.get(id);
    if (entry) board.unsure.delete(entry);
    board.entries.delete(id);
    planned.delete(id);
  }
  board.order = board.order.filter(({ request }) => !left.has(request.id));
}

function join({ entries, order }: Board, arrived: readonly PlanRequest[]): void {
  for (const request of arrived) {
    const entry = newEntry(request);
    entries.set(request.id, entry);
    order.push(entry);
  }
}

const nodesOf = (touched: ReadonlyMap<string, NodeChange>, entries: readonly Entry[]): Set<string> =>
  new Set([...touched.keys(), ...entries.flatMap(({ booking }) => (booking ? namesOf(booking) : []))]);

/** By name: what changed, where something should have been given back by now, and where a start was missed. */
function touchedNodes({ schedule, entries }: Board, change: PlanChange): Map<string, NodeChange> {
  const touched = new Map<string, NodeChange>();
  for (const host of schedule.hosts.values()) if (host.dueAt <= schedule.now) touched.set(host.name, host);
  for (const { booking } of entries.values())
    if (booking && booking.start + LATE_MS < schedule.now)
      for (const host of booking.hosts) touched.set(host.name, host);
  for (const changed of change.nodes ?? []) touched.set(changed.node.node, changed);
  return touched;
}

/** Those who are on a node that is touched, and those who left. */
function concerned(
  { schedule, entries }: Board,
  touched: Map<string, NodeChange>,
  left: ReadonlySet<string>,
): Entry[] {
  const ids = new Set(left);
  for (const name of touched.keys())
    for (const { request } of schedule.hosts.get(name)?.bookings ?? []) ids.add(request.id);
  return [...ids].flatMap((id) => entries.get(id) ?? []);
}

/** Places those without a place, and gives on what is free. */
function settle(board: Board, planned: Map<string, Planned>): Plan {
  const { schedule } = board;
  const without = board.order.filter((entry) => !entry.booking);
  const [lost, fresh] = [without.filter(wasPlaced), without.filter((entry) => !wasPlaced(entry))];
  for (const entry of [...lost.sort(byStart), ...fresh.sort(byArrival)]) placeEarliest(schedule, entry);
  const more = improve(board);
  const [moved, shaken]: [string[], string[]] = [[], []];
  for (const entry of board.entries.values()) {
    const { planned: last } = entry;
    const its = tell(entry, schedule.now);
    if (its !== last) {
      planned.set(its.id, its);
      moved.push(its.id);
    } else if (mayWaitOtherwise(board, entry)) shaken.push(its.id);
  }
  schedule.changed.clear();
  return { planned, moved, shaken, more, board };
}

/** Whether it may wait for something else than before: something changed on its nodes, or its start came without its place. */
const mayWaitOtherwise = ({ schedule }: Board, { booking }: Entry): boolean =>
  booking !== undefined &&
  (booking.start <= schedule.now || booking.hosts.some((host) => schedule.changed.has(host)));

const wasPlaced = (entry: Entry): boolean => entry.place !== undefined || entry.promised !== undefined;
