/** What must hold of every plan, found out the long way: by counting, without anything of what makes the plan. */
import { LATE_MS, type Planned, type PlanRequest, spanOf } from "../../../src/core/plan/model.ts";
import type { Plan } from "../../../src/core/plan.ts";
import type { World } from "./world.ts";

interface Taken {
  readonly id: string;
  readonly node: string;
  readonly places: number;
  readonly from: number;
  /** It is there at the latest: what is planned may begin a little late, when what was there before leaves late. */
  readonly sure: number;
  readonly until: number;
}

/** Throws with what is wrong about a plan for the world's queue. */
export function judge(world: World, { planned, more }: Plan): void {
  const taken = allTaken(world, planned);
  for (const [id, request] of world.queue) {
    const its = planned.get(id);
    if (!its) throw new Error(`${id} is not in the plan`);
    judgeTime(world, request, its);
    judgePlace(world, request, its, taken);
    judgeWait(world, request, its, taken, more);
  }
}

/** Nobody is told a later start, unless capacity of its own nodes was lost. */
function judgeTime(world: World, request: PlanRequest, its: Planned): void {
  const { place, promised, notBefore } = request;
  if (its.start !== null && its.start < (notBefore ?? 0)) throw new Error(`${its.id} starts before its time`);
  const later = promised !== undefined && (its.latest ?? Number.POSITIVE_INFINITY) > promised;
  if (later !== (its.lost !== undefined)) throw new Error(`${its.id} is later: ${later}, told: ${its.lost}`);
  const moved = place !== undefined && (its.start ?? Number.POSITIVE_INFINITY) > place.start;
  if ((later || moved) && !place?.nodes.some((node) => world.lossy.has(node)))
    throw new Error(`${its.id} gets later for no reason: ${its.lost}`);
}

/** No place is given twice, and what starts now has its places. */
function judgePlace(world: World, request: PlanRequest, its: Planned, taken: readonly Taken[]): void {
  if (its.start === null) return;
  if (new Set(its.nodes).size !== request.nodes) throw new Error(`${its.id} is on ${its.nodes}`);
  for (const node of its.nodes) {
    const has = world.nodes.get(node);
    if (!has?.open) throw new Error(`${its.id} is on ${node}, which is closed`);
    if (request.host !== undefined && has.host !== request.host)
      throw new Error(`${its.id} is on ${node}, and its disk on ${request.host}`);
    if (request.labels !== undefined && has.labels?.zone !== request.labels.zone)
      throw new Error(`${its.id} is on ${node}, which is not in its zone`);
    const there = taken.filter((t) => t.node === node).map((t) => ({ ...t, from: t.sure }));
    for (const { from: at } of there) {
      const used = usedAt(there, node, at);
      if (used > has.places && there.some((t) => t.id === its.id && t.from <= at && t.until > at))
        throw new Error(
          `${used} of ${has.places} places of ${node} are given at ${at - world.now}, one to ${its.id}`,
        );
    }
  }
}

/** Nobody could start now, and when there is no more to give on nobody could start earlier, if all others stay where they are. */
function judgeWait(
  world: World,
  request: PlanRequest,
  its: Planned,
  all: readonly Taken[],
  more: boolean,
): void {
  const others = all.filter((t) => t.id !== its.id);
  const least = Math.max(world.now, request.notBefore ?? 0);
  const starts = [least, ...others.map((t) => t.until)].filter(
    (at) => at >= least && at < beginOf(world, its, others) && (!more || at === world.now),
  );
  for (const start of starts) {
    const fits = [...world.nodes.values()].filter(
      ({ node, open, places, host, labels }) =>
        open &&
        (request.labels?.zone ?? labels?.zone) === labels?.zone &&
        (request.host ?? host) === host &&
        leastFree(others, node, places, start, start + spanOf(request.durationS)) >= request.places,
    );
    if (fits.length >= request.nodes)
      throw new Error(
        `${its.id} could start at ${start - world.now} on ${fits[0]?.node}, and is planned for ${its.start && its.start - world.now}`,
      );
  }
}

/** When it can really begin: what should be gone is, a moment from now. */
function beginOf(world: World, its: Planned, others: readonly Taken[]): number {
  if (its.start === null) return Number.POSITIVE_INFINITY;
  if (its.startsNow) return world.now;
  return Math.max(
    its.start,
    world.now + 1,
    ...others.filter((t) => its.nodes.includes(t.node) && t.until === world.now + 1).map((t) => t.until),
  );
}

function leastFree(
  taken: readonly Taken[],
  node: string,
  places: number,
  from: number,
  until: number,
): number {
  const instants = [
    from,
    ...taken.filter((t) => t.node === node && t.from > from && t.from < until).map((t) => t.from),
  ];
  return places - Math.max(...instants.map((at) => usedAt(taken, node, at)));
}

function usedAt(taken: readonly Taken[], node: string, at: number): number {
  let used = 0;
  for (const t of taken) if (t.node === node && t.from <= at && t.until > at) used += t.places;
  return used;
}

function allTaken(world: World, planned: ReadonlyMap<string, Planned>): Taken[] {
  const taken: Taken[] = world.holds.map((hold, i) => ({
    id: `hold ${i}`,
    node: hold.node,
    places: hold.places,
    from: world.now,
    sure: world.now,
    until: Math.max(hold.freeAt ?? Number.POSITIVE_INFINITY, world.now + 1),
  }));
  for (const { id, start, nodes, startsNow } of planned.values()) {
    const request = world.queue.get(id);
    if (start === null || !request) continue;
    // What waits for somebody who should be gone begins when that one is.
    const from = start <= world.now && !startsNow ? world.now + 1 : start;
    const sure = startsNow ? world.now : start + LATE_MS;
    const until = start + spanOf(request.durationS);
    for (const node of nodes) taken.push({ id, node, places: request.places, from, sure, until });
  }
  return taken;
}
